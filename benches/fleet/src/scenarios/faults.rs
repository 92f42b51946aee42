//! A server that fails: every call is answered, and the next round after its return is one run.

use std::{
    thread,
    time::{Duration, Instant},
};

use redis_servers::{Kind, Server, until};

use super::{Round, Size, begin, end, followed_by};
use crate::{processes::Worker, worker::Options};

const WORK: Duration = Duration::from_millis(400);
/// Twice the budget, and one tick of those who wait.
const UNNOTICED: Duration = Duration::from_millis(2 * 50 + 250);

/// The user as which the processes log in.
const USER: &str = concat!("ACL SETUSER fleet on >secret ", include_str!("../../../../crates/redis/src/rights.acl"));

/// What becomes of the server while a flight is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and it comes back with nothing in it.
    Killed,
    /// It takes connections, and answers nothing.
    Frozen,
    /// It answers nothing for a second.
    Slow,
    /// It has no memory left for anything.
    Full,
    /// It is made a replica.
    ReadOnly,
    /// Its scripts are flushed.
    Flushed,
    /// Somebody has put something else where flights lie.
    WrongType,
    /// The password is another one, and connections are cut.
    Locked,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Killed,
        Self::Frozen,
        Self::Slow,
        Self::Full,
        Self::ReadOnly,
        Self::Flushed,
        Self::WrongType,
        Self::Locked,
    ];

    fn strike(self, server: &mut Server) {
        match self {
            Self::Killed => server.kill(),
            Self::Frozen => server.freeze(),
            Self::Slow => server.run("CLIENT PAUSE 1000 ALL"),
            Self::Full => server.run("CONFIG SET maxmemory 1"),
            Self::ReadOnly => server.run("REPLICAOF 127.0.0.1 1"),
            Self::Flushed => server.run("SCRIPT FLUSH"),
            Self::WrongType => {
                for key in server.keys().iter().filter(|key| key.contains(":l:")) {
                    server.run::<()>(&format!("SET {key} mine"));
                }
            }
            Self::Locked => {
                server.run::<()>("ACL SETUSER fleet resetpass >other");
                cut(server);
            }
        }
    }

    fn mend(self, server: &mut Server) {
        match self {
            Self::Killed => {
                server.restart();
                server.run(USER)
            }
            Self::Frozen => server.thaw(),
            Self::Slow => server.run("CLIENT UNPAUSE"),
            Self::Full => server.run("CONFIG SET maxmemory 0"),
            Self::ReadOnly => server.run("REPLICAOF NO ONE"),
            Self::Flushed => {}
            Self::WrongType => server.run("FLUSHALL"),
            Self::Locked => server.run("ACL SETUSER fleet resetpass >secret"),
        }
    }
}

fn cut(server: &Server) {
    for id in server.run::<String>("CLIENT LIST").lines() {
        if let (true, Some(id)) = (id.contains("user=fleet"), id.split(' ').find_map(|word| word.strip_prefix("id="))) {
            server.run::<i64>(&format!("CLIENT KILL ID {id}"));
        }
    }
}

/// Returns the round that the fault met, one that began during it, and one after it.
///
/// # Panics
///
/// A call was not answered, waited for longer than it may, or the last round was not one run.
pub fn run(size: &Size, kind: Kind, fault: Fault) -> Option<[Round; 3]> {
    let mut server = Server::start(kind)?;
    server.run::<()>(USER);
    let options = Options::of(&[server.url_of("fleet", "secret")]);
    let mut workers = Worker::start_many(&size.program, &options, 5);
    begin(&mut workers, "met", size.callers, WORK);
    followed_by(&server, 4);
    let struck = Instant::now();
    fault.strike(&mut server);
    let met = end(&mut workers, "met");
    let took = struck.elapsed();
    begin(&mut workers, "during", size.callers, WORK);
    let during = end(&mut workers, "during");
    for round in [&met, &during] {
        assert!((1..=5).contains(&round.runs), "{fault:?}: {round:?}");
        assert!(
            round.values.iter().all(|value| value.starts_with("met/") || value.starts_with("during/")),
            "{round:?}"
        );
    }
    let most = UNNOTICED + WORK + size.patience;
    assert!(took <= most && during.slowest <= most, "{fault:?}: {took:?} {:?} {:?}", met.slowest, during.slowest);
    fault.mend(&mut server);
    // A breaker tries once in a second, and connections are made anew.
    let mut rounds = 0;
    let after = until("a round of one run", || {
        rounds += 1;
        let key = format!("after-{rounds}");
        begin(&mut workers, &key, size.callers, WORK);
        let round = end(&mut workers, &key);
        if round.runs != 1 {
            thread::sleep(Duration::from_millis(200));
        }
        (round.runs == 1).then_some(round)
    });
    assert!(rounds <= 6, "{fault:?}: {rounds} rounds until one run");
    Some([met, during, after])
}

/// Calls in series while the server stands still, and while it is gone; returns by how much their medians grow.
///
/// # Panics
///
/// The fleet adds more than it may.
pub fn series(size: &Size, kind: Kind, calls: usize) -> Option<[Duration; 2]> {
    let mut server = Server::start(kind)?;
    let mut workers = Worker::start_many(&size.program, &Options::of(&[server.url()]), 1);
    let mut series = |key: &str| {
        workers[0].say(&format!("series {calls} {key} 1"));
        let said = workers[0].expect(&format!("series {key}"));
        assert_eq!(said.number("runs") as usize, calls);
        said.time("p50")
    };
    let before = series("there");
    server.freeze();
    let frozen = series("frozen");
    server.thaw();
    server.kill();
    let gone = series("gone");
    for (what, p50) in [("frozen", frozen), ("gone", gone)] {
        assert!(p50 <= before + Duration::from_millis(2) + size.patience / 10, "{what}: {p50:?} beside {before:?}");
    }
    Some([frozen, gone].map(|p50| p50.saturating_sub(before)))
}
