//! Leaders that are too late, on purpose, and faults at random: no outcome under another key, and nothing left.

use std::{
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis_servers::{Kind, Server};

use super::{Size, at_rest};
use crate::{processes::Worker, worker::Options};

const PROCESSES: u64 = 8;
const CALLERS: u64 = 64;
const KEYS: u32 = 20;

/// Returns how many calls were answered, how often work was run, how many leaders were too late, and how many faults there
/// were.
///
/// # Panics
///
/// An outcome belonged to another key, a call was not answered, or something was left.
pub fn run(size: &Size, kind: Kind, seed: u64) -> Option<[u64; 4]> {
    let server = Server::start(kind)?;
    // It is not renewed, and work takes up to four leases: most that are long are taken over while they run.
    let options = Options { lease: 50, lead_limit: 50, keep: 500, ..Options::of(&[server.url()]) };
    let mut workers = Worker::start_many(&size.program, &options, PROCESSES as usize);
    for (at, worker) in workers.iter_mut().enumerate() {
        let seed = seed + at as u64 * CALLERS;
        worker.say(&format!("soak {CALLERS} {} {KEYS} 200 {seed}", size.soak / PROCESSES));
    }
    let (done, watch) = std::sync::mpsc::channel();
    let faults = thread::scope(|scope| {
        let server = &server;
        let faults = scope.spawn(move || {
            let mut random = StdRng::seed_from_u64(seed);
            let mut faults = 0;
            let until = Instant::now() + Duration::from_secs(600);
            while Instant::now() < until {
                let pause = Duration::from_millis(random.random_range(50..500));
                if watch.recv_timeout(pause) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    break;
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
            faults
        });
        let said: Vec<_> = workers.iter_mut().map(|worker| worker.expect("soak")).collect();
        let _ = done.send(());
        (said, faults.join().expect("faults"))
    });
    let (said, faults) = faults;
    let sum = |name: &str| said.iter().map(|said| said.number(name) as u64).sum::<u64>();
    let calls = size.soak / PROCESSES / CALLERS * CALLERS * PROCESSES;
    assert_eq!((sum("answered"), sum("wrong")), (calls, 0), "{said:?}");
    // Leaders that found their flight taken over are what this is about.
    assert!(sum("lost") > 0 && faults > 0, "{said:?}");
    drop(workers);
    at_rest(&server);
    Some([sum("answered"), sum("runs"), sum("lost"), faults])
}
