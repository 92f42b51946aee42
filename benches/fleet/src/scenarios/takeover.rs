//! A leader that dies, stands still, or is left alone: somebody takes over, once.

use std::{
    thread,
    time::{Duration, Instant},
};

use redis_servers::{Kind, Server};

use super::{Round, Size, at_rest, begin, end, followed_by};
use crate::{processes::Worker, worker::Options};

const FOLLOWERS: usize = 5;
const LEASE: Duration = Duration::from_millis(500);
/// At the end of a lease the waiters spread over this time, and look whether it was renewed.
const JITTER: Duration = Duration::from_millis(100);

/// What becomes of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// `kill -9` in the middle of its work.
    Killed,
    /// It stands still for two leases, and goes on.
    Frozen,
    /// Its callers all leave.
    Left,
    /// It is killed after it has closed its flight, and before it lands it.
    DiesLanding,
}

/// Returns what the followers went through, from the leader's fate to their last answer.
///
/// # Panics
///
/// The work was taken over not once, somebody waited for too long, or an outcome came from another flight.
pub fn run(size: &Size, kind: Kind, fate: Fate) -> Option<(Round, Duration)> {
    let server = Server::start(kind)?;
    let options = Options { lease: LEASE.as_millis() as u64, ..Options::of(&[server.url()]) };
    let work = Duration::from_millis(if fate == Fate::DiesLanding { 300 } else { 600 });
    let mut leader =
        [Worker::start(&size.program, &Options { dies_landing: fate == Fate::DiesLanding, ..options.clone() })];
    let mut followers = Worker::start_many(&size.program, &options, FOLLOWERS);
    begin(&mut leader, "key", 10, work);
    leader[0].expect("running key");
    begin(&mut followers, "key", size.callers, work);
    followed_by(&server, FOLLOWERS);
    let began = Instant::now();
    let mut most = LEASE + JITTER + work;
    let own = match fate {
        Fate::Killed => {
            leader[0].kill();
            None
        }
        Fate::Frozen => {
            leader[0].freeze();
            thread::sleep(2 * LEASE);
            leader[0].thaw();
            Some(end(&mut leader, "key"))
        }
        Fate::Left => {
            leader[0].say("leave");
            leader[0].expect("left");
            // Told at once, and not when the lease is over.
            most = JITTER + work;
            None
        }
        Fate::DiesLanding => {
            leader[0].ended();
            // A flight that is closed says for a second that it will land.
            most = Duration::from_secs(1) + work + JITTER + work;
            None
        }
    };
    let round = end(&mut followers, "key");
    let took = began.elapsed();
    assert_eq!((round.runs, round.values.len()), (1, 1), "{fate:?}: {round:?}");
    if let Some(own) = own {
        // Its own callers have its own outcome, and nobody else has.
        assert_eq!((own.runs, own.values.len()), (1, 1), "{own:?}");
        assert_ne!(own.values, round.values);
    }
    assert!(took <= most + size.patience, "{fate:?}: {took:?} and not {most:?}: {round:?}");
    drop((leader, followers));
    at_rest(&server);
    Some((round, took))
}
