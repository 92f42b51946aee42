//! The scenarios: what has to hold, with its figures.

pub mod faults;
pub mod herd;
pub mod lone;
pub mod soak;
pub mod takeover;

use std::{fmt, path::PathBuf, time::Duration};

use redis_servers::{Server, until};

use crate::processes::{Said, Worker, soon};

/// How large, and how patient.
#[derive(Clone, Debug)]
pub struct Size {
    /// The program that is a worker too.
    pub program: PathBuf,
    /// How many processes a herd comes from.
    pub processes: usize,
    /// How many callers each of them sends.
    pub callers: usize,
    /// Calls of the soak, in all.
    pub soak: u64,
    /// What times may exceed their figures by, for machines that do other things too.
    pub patience: Duration,
}

/// What became of a round of callers.
#[derive(Clone)]
pub struct Round {
    /// How often the work was run, all processes together.
    pub runs: u64,
    /// The median of the callers, in the process where it is largest.
    pub p50: Duration,
    /// The slowest caller.
    pub slowest: Duration,
    /// The different outcomes.
    pub values: Vec<String>,
}

/// One line, however many outcomes there are.
impl fmt::Debug for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, p50, slowest, values } = self;
        write!(f, "{runs} runs, {} outcomes, p50 {p50:.0?}, slowest {slowest:.0?}", values.len())
    }
}

impl Round {
    fn of(said: &[Said]) -> Self {
        let mut values: Vec<_> =
            said.iter().flat_map(|said| said.text("values").split(',')).map(str::to_owned).collect();
        values.sort();
        values.dedup();
        Self {
            runs: said.iter().map(|said| said.number("runs") as u64).sum(),
            p50: said.iter().map(|said| said.time("p50")).max().unwrap_or_default(),
            slowest: said.iter().map(|said| said.time("slowest")).max().unwrap_or_default(),
            values,
        }
    }
}

/// Sends callers from all workers at one moment.
pub fn begin(workers: &mut [Worker], key: &str, callers: usize, work: Duration) {
    let at = soon();
    for worker in workers {
        worker.say(&format!("herd {at} {key} {callers} {}", work.as_millis()));
    }
}

/// Waits until all of them are answered.
pub fn end(workers: &mut [Worker], key: &str) -> Round {
    let said: Vec<_> = workers.iter_mut().map(|worker| worker.expect(&format!("herd {key}"))).collect();
    Round::of(&said)
}

/// Waits until that many processes wait in a flight.
pub fn followed_by(server: &Server, processes: usize) {
    until("followers", || {
        let flights = server.keys().into_iter().filter(|key| key.contains(":l:"));
        let noted = |key: String| {
            let fields: Vec<String> = server.run(&format!("HGETALL {key}"));
            fields.chunks(2).filter(|field| field[0].starts_with("w:")).map(|field| field[1].len() / 17).sum::<usize>()
        };
        (flights.map(noted).max() >= Some(processes)).then_some(())
    });
}

/// Waits until nothing but fences is left.
pub fn at_rest(server: &Server) {
    until("a server with fences only", || server.keys().iter().all(|key| key.ends_with(":f")).then_some(()));
}
