//! `cargo run --release -p fleet-bench`: all scenarios in full size.

use std::{
    env,
    fmt::Debug,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use fleet_bench::{
    scenarios::{
        Size,
        faults::{self, Fault},
        herd::{self, Way},
        lone, soak,
        takeover::{self, Fate},
    },
    worker,
};
use redis_servers::Kind;

/// What a fleet of processes does through real servers; without a command, all of it.
#[derive(Parser)]
struct Options {
    /// How many processes a herd comes from
    #[arg(long, default_value = "10")]
    processes: NonZeroUsize,
    /// How many callers each of them sends
    #[arg(long, default_value = "1000")]
    callers: NonZeroUsize,
    /// How many calls the soak makes in all: 20,000 of each of its 8 processes, in about a minute. With 10240000 each of
    /// its 512 callers makes 20,000, in about 50 minutes for each server
    #[arg(long, default_value_t = 160_000)]
    soak: u64,
    /// By how much times may exceed their figures, in milliseconds
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// Run only scenarios that have this in their name
    #[arg(long, default_value = "")]
    only: String,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One process of a fleet, as the scenarios start it
    Worker(worker::Options),
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", error.to_string().lines().next().unwrap_or("error: bad options"));
            return ExitCode::from(2);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    if let Some(Part::Worker(options)) = &options.part {
        return match worker::run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let size = Size {
        program: env::current_exe().expect("this program"),
        processes: options.processes.get(),
        callers: options.callers.get(),
        soak: options.soak,
        patience: Duration::from_millis(options.patience),
    };
    let mut scenarios = Scenarios { only: options.only, ran: 0, failed: false };
    for kind in worker::kinds() {
        all(&size, kind, &mut scenarios);
    }
    if scenarios.ran == 0 && !scenarios.only.is_empty() {
        eprintln!("error: no scenario was run that has {:?} in its name", scenarios.only);
        return ExitCode::from(2);
    }
    if scenarios.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs those that are wanted, and goes on after those that fail.
struct Scenarios {
    only: String,
    ran: usize,
    failed: bool,
}

impl Scenarios {
    fn run<T: Debug>(&mut self, name: &str, scenario: impl FnOnce() -> T) {
        if !name.contains(&self.only) {
            return;
        }
        self.ran += 1;
        match catch_unwind(AssertUnwindSafe(scenario)) {
            Ok(figures) => println!("{name}: {figures:?}"),
            Err(_) => {
                println!("{name}: FAILED");
                self.failed = true;
            }
        }
    }
}

fn all(size: &Size, kind: Kind, scenarios: &mut Scenarios) {
    let few = Size { callers: size.callers.min(100), ..size.clone() };
    for way in [Way::Told, Way::Polling, Way::Deaf] {
        scenarios.run(&format!("{kind:?}: herd, {way:?}"), || herd::on_one(size, kind, way));
    }
    for way in [Way::Told, Way::Polling] {
        scenarios.run(&format!("{kind:?}: herd, cluster, {way:?}"), || herd::on_cluster(size, kind, way));
    }
    scenarios.run(&format!("{kind:?}: renewed"), || herd::renewed(size, kind));
    for fate in [Fate::Killed, Fate::Frozen, Fate::Left, Fate::DiesLanding] {
        scenarios.run(&format!("{kind:?}: leader {fate:?}"), || takeover::run(&few, kind, fate));
    }
    for fault in Fault::ALL {
        scenarios.run(&format!("{kind:?}: server {fault:?}"), || faults::run(&few, kind, fault));
    }
    scenarios.run(&format!("{kind:?}: series, added"), || faults::series(size, kind, 300));
    scenarios.run(&format!("{kind:?}: lone"), || lone::run(size, kind, 5_000, true));
    scenarios.run(&format!("{kind:?}: soak"), || soak::run(size, kind, 7));
}
