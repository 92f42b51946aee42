//! The command line.

use std::process::exit;

use clap::{Parser, ValueEnum, error::ErrorKind};

/// Measures tower-singleflight beside its peers, in one process, and prints one table.
#[derive(Clone, Debug, Parser)]
#[command(name = "peers", version)]
pub struct Options {
    /// Measure only these, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Metric>,
    /// How often each time is measured, all peers in turn; the table has the medians [default: 201, quick: 15]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_001))]
    pub rounds: Option<u32>,
    /// A look in passing: fewer rounds, a tenth of the waiters and of the hammer
    #[arg(long)]
    pub quick: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    Solo,
    Polls,
    Waiters,
    Linear,
    Hammer,
    Threads,
}

impl Options {
    /// Reads the command line; what it does not understand ends the process with one line and status 2.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
            _ => {
                let text = error.to_string();
                eprintln!("{} (see --help)", text.lines().next().unwrap_or("error: bad options"));
                exit(2);
            }
        })
    }

    pub fn wants(&self, metric: Metric) -> bool {
        self.only.is_empty() || self.only.contains(&metric)
    }

    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 15 } else { 201 })
    }

    /// The rounds of what takes a second rather than a millisecond. Fewer than three have no median, and the first of
    /// them finds the memory cold.
    pub fn long_rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds().div_ceil(15).clamp(3, 7) }
    }

    pub fn waiters(&self) -> usize {
        if self.quick { 10_000 } else { 100_000 }
    }

    pub fn calls(&self) -> usize {
        if self.quick { 80_000 } else { 800_000 }
    }
}
