//! Ten processes, ten thousand callers, one call.

use std::time::Duration;

use redis_servers::{Cluster, Kind, Server};

use super::{Round, Size, at_rest, begin, end};
use crate::{processes::Worker, worker::Options};

/// What the callers' work takes.
const WORK: Duration = Duration::from_millis(200);
/// The slowest caller, on a machine that does nothing else.
const SLOWEST: Duration = Duration::from_millis(300);

/// How the processes of a herd hear of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Pushes, by RESP3.
    Told,
    /// RESP2.
    Polling,
    /// Pushes, and every one is lost.
    Deaf,
}

fn options(urls: &[String], way: Way) -> Options {
    Options { polling: way == Way::Polling, deaf: way == Way::Deaf, ..Options::of(urls) }
}

/// On one server; `None` if it is not installed.
///
/// # Panics
///
/// The work was not run once, or somebody waited for too long.
pub fn on_one(size: &Size, kind: Kind, way: Way) -> Option<Round> {
    let server = Server::start(kind)?;
    let round = run(size, &options(&[server.url()], way));
    at_rest(&server);
    Some(round)
}

/// On a cluster of six nodes.
///
/// # Panics
///
/// As [`on_one`].
pub fn on_cluster(size: &Size, kind: Kind, way: Way) -> Option<Round> {
    let cluster = Cluster::start(kind)?;
    Some(run(size, &options(&cluster.urls(), way)))
}

fn run(size: &Size, options: &Options) -> Round {
    let mut workers = Worker::start_many(&size.program, options, size.processes);
    // A machine that is busy with other tests may hold up a herd for reasons of its own, but not each of several.
    let most = SLOWEST + size.patience.min(SLOWEST);
    let tries = if size.patience.is_zero() { 1 } else { 5 };
    let mut slow = Vec::new();
    for number in 0..tries {
        let key = format!("herd-{number}");
        begin(&mut workers, &key, size.callers, WORK);
        let round = end(&mut workers, &key);
        assert_eq!((round.runs, round.values.len()), (1, 1), "{round:?}");
        assert!(round.values[0].starts_with(&format!("{key}/")), "{round:?}");
        if round.slowest <= most {
            return round;
        }
        slow.push(round.slowest);
    }
    panic!("the slowest callers waited for {slow:?}, and not for {most:?}");
}

/// A flight that takes five leases, and is renewed.
///
/// # Panics
///
/// As [`on_one`].
pub fn renewed(size: &Size, kind: Kind) -> Option<Round> {
    let server = Server::start(kind)?;
    let options = Options { lease: 300, ..Options::of(&[server.url()]) };
    let mut workers = Worker::start_many(&size.program, &options, size.processes.min(5));
    begin(&mut workers, "renewed", size.callers, Duration::from_millis(1_500));
    let round = end(&mut workers, "renewed");
    assert_eq!((round.runs, round.values.len()), (1, 1), "{round:?}");
    Some(round)
}
