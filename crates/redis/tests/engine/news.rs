//! News reaches those who wait: they have the outcome without having looked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_servers::Server;
use tokio::sync::{Notify, Semaphore};
use tower_singleflight::{
    Group,
    fleet::{Fleet, FleetSettings, PostcardCodec},
};

use crate::common::{engine, servers, until};

/// How many scripts the server has run.
fn scripts(server: &Server) -> u64 {
    let stats: String = server.run("INFO commandstats");
    let calls = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok();
    stats.lines().filter(|line| line.starts_with("cmdstat_eval")).filter_map(calls).sum()
}

/// Whether somebody waits for a flight.
fn is_followed(server: &Server) -> bool {
    let flights = server.keys().into_iter().filter(|key| key.contains(":l:"));
    flights.flat_map(|key| server.run::<Vec<String>>(&format!("HVALS {key}"))).any(|value| value.len() == 17)
}

/// Two processes.
struct Two {
    server: Server,
    fleets: [Fleet; 2],
    groups: [Group<u32, String>; 2],
    key: u32,
}

impl Two {
    async fn on(server: Server) -> Self {
        let fleets = [engine(&server).await, engine(&server).await].map(|engine| Fleet::new(engine, [7; 32]));
        Self { server, fleets, groups: [Group::new(), Group::new()], key: 0 }
    }

    /// One flight that both share, of an outcome that long; returns how many scripts it took.
    async fn round(&mut self, length: usize, meanwhile: impl FnOnce(&Server)) -> u64 {
        self.key += 1;
        let before = scripts(&self.server);
        let gate = Arc::new(Notify::new());
        let calls = [0, 1].map(|at| {
            let gate = Arc::clone(&gate);
            let work = move || async move {
                gate.notified().await;
                "x".repeat(length)
            };
            self.fleets[at].call(&self.groups[at], self.key, PostcardCodec::new(), work)
        });
        let asked = calls.map(tokio::spawn);
        until("a follower", || async { is_followed(&self.server) }).await;
        meanwhile(&self.server);
        gate.notify_one();
        for call in asked {
            assert_eq!(call.await.unwrap().value.len(), length);
        }
        scripts(&self.server) - before
    }

    /// Has rounds until one takes no more scripts than that: on a slow machine a follower may look meanwhile.
    async fn some_round_takes(&mut self, length: usize, most: u64) {
        for _ in 0..100 {
            if self.round(length, |_| ()).await <= most {
                return;
            }
        }
        panic!("no round of {length} bytes took {most} scripts");
    }
}

/// Two joins, a close and a landing; and one look for what is too long to be told.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_told_and_does_not_look() {
    for server in servers() {
        let mut two = Two::on(server).await;
        two.some_round_takes(100, 4).await;
        two.some_round_takes(20_000, 5).await;
        assert!(two.fleets.iter().all(|fleet| fleet.stats().bad_messages == 0));
    }
}

/// The fleet that was made first of an engine is not the only one that is told.
#[tokio::test(flavor = "multi_thread")]
async fn each_fleet_on_a_connection_is_told() {
    for server in servers() {
        let engines = [engine(&server).await, engine(&server).await];
        let first = engines.clone().map(|engine| Fleet::new(engine, [1; 32]));
        let fleets = engines.map(|engine| Fleet::new(engine, [7; 32]));
        let mut two = Two { server, fleets, groups: [Group::new(), Group::new()], key: 0 };
        two.some_round_takes(100, 4).await;
        drop(first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_looks_when_the_connection_is_lost_and_is_told_again_after_it_is_back() {
    for server in servers() {
        let mut two = Two::on(server).await;
        two.some_round_takes(100, 4).await;
        // Looks come a quarter of a second after each other; one right after the loss is for the loss.
        let mut quick = false;
        for _ in 0..20 {
            two.round(100, |server| {
                let before = scripts(server);
                server.run::<i64>("CLIENT KILL TYPE pubsub");
                let start = Instant::now();
                redis_servers::until("a look", || (scripts(server) != before).then_some(()));
                quick |= start.elapsed() < Duration::from_millis(60);
            })
            .await;
            if quick {
                break;
            }
        }
        assert!(quick);
        two.some_round_takes(100, 4).await;
    }
}

/// As after a restart, or where keys are evicted. Neither process has ever looked at a flight before.
#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_flight_that_the_server_has_lost_takes_over_and_waits_for_no_lease() {
    const LEASE: Duration = Duration::from_secs(60);
    for server in servers() {
        let settings = || FleetSettings::new().lease(LEASE).max_wait(LEASE);
        let fleets = [engine(&server).await, engine(&server).await]
            .map(|engine| Fleet::with_settings(engine, [7; 32], settings()).unwrap());
        let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let calls = fleets.each_ref().map(|fleet| {
            let (gate, runs) = (Arc::clone(&gate), Arc::clone(&runs));
            let work = move || async move {
                runs.fetch_add(1, Relaxed);
                drop(gate.acquire().await);
            };
            tokio::spawn(fleet.call(&Group::new(), 7, PostcardCodec::new(), work))
        });
        until("a follower", || async { is_followed(&server) }).await;
        server.run::<()>("FLUSHALL");
        until("the second run", || async { runs.load(Relaxed) == 2 }).await;
        gate.add_permits(2);
        for call in calls {
            call.await.unwrap();
        }
    }
}
