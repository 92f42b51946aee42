//! Flights whose end the engine was told, and did not take in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tower_singleflight::fleet::{Closed, Engine, Faults, MemoryEngine, Name, Reply, Token, Unavailable};

use crate::{
    faults::two,
    process::{processes, settle},
};

/// An engine that so many closes never reach: they fail at once, as on a connection that was lost.
#[derive(Clone)]
struct LosesCloses {
    well: MemoryEngine,
    left: Arc<AtomicUsize>,
}

impl LosesCloses {
    fn new(closes: usize) -> Self {
        Self { well: MemoryEngine::new(), left: Arc::new(AtomicUsize::new(closes)) }
    }
}

impl Engine for LosesCloses {
    pass_on!(join renew hold land peek fence news);

    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed> {
        let is_lost = self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        if is_lost {
            return Box::pin(async { Err(Unavailable::new("connection reset")) });
        }
        self.well.close(name, token, pending, refuse)
    }
}

/// A close that fails and has no effect, as when the connection is lost: it is asked once more.
#[tokio::test(start_paused = true)]
async fn f3_a_flight_whose_first_close_is_lost_is_joined_by_nobody_who_comes_after_its_outcome() {
    let engine = LosesCloses::new(1);
    let [a, b] = processes(&engine);
    a.backend.open();
    assert_eq!(a.call(7).await.unwrap().value, "7: run 0");
    let asked = Instant::now();
    assert_eq!(b.call(7).await.unwrap().value, "7: run 1");
    assert_eq!(asked.elapsed(), Duration::ZERO, "it waits for no lease either");
}

#[tokio::test(start_paused = true)]
async fn f1_a_flight_that_is_given_up_is_handed_over_though_its_first_close_is_lost() {
    let engine = LosesCloses::new(1);
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    leader.abort();
    settle().await;
    assert_eq!(processes[0].backend.runs(), 2, "at once, and not when the lease is over");
    processes[0].backend.open();
    assert_eq!(follower.await.unwrap().value, "7: run 1");
}

/// While it fails, the flight lands all the same; then it is closed.
#[tokio::test(start_paused = true)]
async fn f1_a_flight_that_cannot_be_closed_lands_and_is_closed_after_that() {
    let engine = LosesCloses::new(2);
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    processes[0].backend.open();
    for call in [leader, follower] {
        assert_eq!(call.await.unwrap().value, "7: run 0");
    }
    settle().await;
    assert_eq!(processes[1].call(7).await.unwrap().value, "7: run 1");
}

/// The store has lost the flight before the follower looked for the first time: it cannot tell that from an engine that says
/// nothing of what runs.
#[tokio::test(start_paused = true)]
async fn a_flight_that_the_engine_has_forgotten_lands_for_those_who_wait_for_it_still() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    let mut forgets = Faults::none();
    forgets.evictions = 100;
    engine.set_faults(forgets);
    processes[0].backend.open();
    settle().await;
    engine.set_faults(Faults::none());
    let asked = Instant::now();
    for call in [leader, follower] {
        assert_eq!(call.await.unwrap().value, "7: run 0");
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(processes[0].fleet.stats().lost, 1);
}

/// An engine that takes longer than the budget for each close, and for nothing else: as a cluster whose node has moved.
#[derive(Clone)]
struct ClosesLate {
    well: MemoryEngine,
}

impl Engine for ClosesLate {
    pass_on!(join renew hold land peek fence news);

    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed> {
        let well = self.well.clone();
        Box::pin(async move {
            sleep(Duration::from_millis(200)).await;
            well.close(name, token, pending, refuse).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_flight_of_the_own_process_whose_outcome_was_seen_before_its_close_was_heard() {
    let engine = ClosesLate { well: MemoryEngine::new() };
    let [process] = processes(&engine);
    process.backend.open();
    for run in ["7: run 0", "7: run 1"] {
        assert_eq!(process.call(7).await.unwrap().value, run);
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(process.call(7).await.unwrap().value, "7: run 2");
    assert_eq!(process.fleet.stats().led, 2, "the second run is without the fleet");
}

/// An engine that says which flights go on, from the first look.
#[derive(Clone)]
struct TellsRunning {
    well: MemoryEngine,
}

impl Engine for TellsRunning {
    pass_on!(join renew close hold land peek fence news);

    fn tells_running(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_says_what_runs_is_believed_at_the_first_look_that_a_flight_is_lost() {
    let engine = TellsRunning { well: MemoryEngine::new() };
    let processes = processes::<2>(&engine);
    let calls = two(&processes).await;
    let mut forgets = Faults::none();
    forgets.evictions = 100;
    engine.well.set_faults(forgets);
    sleep(Duration::from_millis(300)).await;
    engine.well.set_faults(Faults::none());
    assert_eq!(processes[0].backend.runs(), 2);
    processes[0].backend.open();
    for call in calls {
        assert_eq!(call.await.unwrap().callers, 1);
    }
}

/// As a server does that is flushed, or that evicts what it holds. This engine has shown that it says what runs.
#[tokio::test(start_paused = true)]
async fn who_follows_a_flight_that_the_engine_has_forgotten_takes_over_when_it_looks_and_waits_for_no_lease() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let mut calls = Vec::from([processes[0].call(8)]);
    settle().await;
    calls.push(processes[1].call(8));
    sleep(Duration::from_secs(1)).await;

    calls.extend(two(&processes).await);
    let mut forgets = Faults::none();
    forgets.evictions = 100;
    engine.set_faults(forgets);
    sleep(Duration::from_millis(300)).await;
    engine.set_faults(Faults::none());
    assert_eq!(processes[0].backend.runs(), 4);
    processes[0].backend.open();
    for call in calls {
        assert_eq!(call.await.unwrap().callers, 1);
    }
}

/// An engine that takes its time for landings.
#[derive(Clone)]
struct LandsLate {
    well: MemoryEngine,
    gate: Arc<Notify>,
}

impl Engine for LandsLate {
    pass_on!(join renew close hold peek fence news);

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        let (well, gate) = (self.well.clone(), Arc::clone(&self.gate));
        Box::pin(async move {
            gate.notified().await;
            well.land(name, token, message, keep).await
        })
    }
}

/// As with a long message on a slow line: those of the leader's process have had the outcome for long.
#[tokio::test(start_paused = true)]
async fn f3_nobody_joins_a_flight_that_waits_for_one_which_was_seen_to_have_closed() {
    let engine = LandsLate { well: MemoryEngine::new(), gate: Arc::default() };
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    processes[0].backend.open();
    assert_eq!(leader.await.unwrap().value, "7: run 0");
    sleep(Duration::from_millis(300)).await;
    let late = processes[1].call(7);
    settle().await;
    engine.gate.notify_one();
    assert_eq!(late.await.unwrap().value, "7: run 1");
    assert_eq!(follower.await.unwrap().value, "7: run 0");
    assert!(processes.iter().all(|process| process.group.is_empty()));
}

/// An engine that takes no long messages, as a server does whose `proto-max-bulk-len` is low: it cuts the connection.
#[derive(Clone)]
struct TakesShortOnes {
    well: MemoryEngine,
}

impl Engine for TakesShortOnes {
    pass_on!(join renew close hold peek fence news);

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        // As long as one that says nothing but its kind.
        if message.len() > 42 {
            return Box::pin(async { Err(Unavailable::new("connection reset")) });
        }
        self.well.land(name, token, message, keep)
    }
}

/// Nor does a follower lead then, whose message would be refused likewise.
#[tokio::test(start_paused = true)]
async fn f1_those_who_wait_for_a_message_that_the_engine_does_not_take_are_told_so_after_the_second_try() {
    let engine = TakesShortOnes { well: MemoryEngine::new() };
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    let asked = Instant::now();
    processes[0].backend.open();
    assert_eq!(leader.await.unwrap().value, "7: run 0");
    assert_eq!(follower.await.unwrap().value, "7: run 1");
    assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
    assert_eq!(processes.each_ref().map(|process| process.fleet.stats().led), [1, 0]);
    assert_eq!(processes[0].fleet.stats().landed, 0);
}
