//! Leaders that are too late, on purpose, and faults at random: no outcome of another flight, and nothing left.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis_servers::{Kind, Server};

use super::Size;
use crate::{processes::Worker, worker::Options};

const PROCESSES: u64 = 8;
const CALLERS: u64 = 64;
const KEYS: u32 = 20;
/// In milliseconds.
const LEASE: u64 = 50;
/// As above.
const KEEP: u64 = 500;

/// What a soak was like.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Calls that were answered: all.
    pub answered: u64,
    /// How often work was run.
    pub runs: u64,
    /// Outcomes that were read in another process than they were made in, each under the flight that it was made under.
    pub read: u64,
    /// Leaders whose lease had ended before their work did.
    pub too_late: u64,
    /// What was done to the server.
    pub faults: u64,
    /// How long all of it took.
    pub took: Duration,
}

/// Returns what it was like.
///
/// # Panics
///
/// An outcome belonged to another key or another flight, a call was not answered, or something was left.
pub fn run(size: &Size, kind: Kind, seed: u64) -> Option<Figures> {
    let server = Server::start(kind)?;
    // Flights are not renewed, and work takes up to four leases: most long flights are taken over while they run.
    let options =
        Options { lease: LEASE, lead_limit: LEASE, keep: KEEP, one_thread: true, ..Options::of(&[server.url()]) };
    let mut workers = Worker::start_many(&size.program, &options, PROCESSES as usize);
    let began = Instant::now();
    for (at, worker) in workers.iter_mut().enumerate() {
        let seed = seed + at as u64 * CALLERS;
        worker.say(&format!("soak {CALLERS} {} {KEYS} 200 {seed}", size.soak / PROCESSES));
    }
    // No call may take longer than twice what the longest one should, however many there are.
    let patience = Duration::from_secs(60) + Duration::from_millis(400) * (size.soak / PROCESSES / CALLERS) as u32;
    let (done, is_done) = channel();
    let (workers_said, server_ref) = (&mut workers, &server);
    let (said, faults) = thread::scope(move |scope| {
        let faults = scope.spawn(move || strike(server_ref, seed, &is_done));
        let said: Vec<_> = workers_said.iter_mut().map(|worker| worker.expect_within(patience, "soak")).collect();
        drop(done);
        (said, faults.join().expect("faults"))
    });
    let took = began.elapsed();
    let sum = |name: &str| said.iter().map(|said| said.number(name) as u64).sum::<u64>();
    let calls = size.soak / PROCESSES / CALLERS * CALLERS * PROCESSES;
    assert_eq!((sum("answered"), sum("wrong_keys"), sum("wrong_tokens")), (calls, 0, 0), "{said:?}");
    // Leaders that found their flight taken over are what this is about, and outcomes that went from one process to another.
    assert!(sum("lost") > 0 && sum("read") > 0 && faults > 0, "{said:?}");
    workers.iter_mut().for_each(Worker::finish);
    thread::sleep(Duration::from_millis(2 * LEASE + KEEP) + size.patience);
    let left: Vec<_> = server.keys().into_iter().filter(|key| !key.ends_with(":f")).collect();
    assert!(left.is_empty(), "after two leases and `keep`: {left:?}");
    let [answered, runs, read, too_late] = ["answered", "runs", "read", "lost"].map(sum);
    Some(Figures { answered, runs, read, too_late, faults, took })
}

/// Does this and that to a server, until it is told that all is done; returns how often.
fn strike(server: &Server, seed: u64, is_done: &Receiver<()>) -> u64 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut faults = 0;
    loop {
        let pause = Duration::from_millis(random.random_range(50..500));
        if is_done.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return faults;
        }
        faults += 1;
        match random.random_range(0..4) {
            0 => server.run::<()>("SCRIPT FLUSH"),
            1 => drop(server.run::<i64>("CLIENT KILL TYPE pubsub")),
            2 => server.run::<()>("CLIENT PAUSE 80 ALL"),
            _ => {
                server.freeze();
                thread::sleep(Duration::from_millis(60));
                server.thaw();
            }
        }
    }
}
