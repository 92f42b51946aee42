//! What goes wrong at one certain moment, and what it costs.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_singleflight::{
    Group, Limits,
    fleet::{Faults, Fleet, FleetSettings, MemoryEngine, PostcardCodec},
};

use crate::process::{Process, SECRET, processes, processes_with, settle};

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn faults(set: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::none();
    set(&mut faults);
    faults
}

/// Starts a leader and a follower.
pub(crate) async fn two(processes: &[Process; 2]) -> [tokio::task::JoinHandle<tower_singleflight::Outcome<String>>; 2] {
    let leader = processes[0].call(7);
    settle().await;
    let follower = processes[1].call(7);
    settle().await;
    [leader, follower]
}

#[tokio::test(start_paused = true)]
async fn a_close_whose_reply_is_an_error_is_followed_by_its_landing() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    engine.set_faults(faults(|faults| faults.failed_replies = 100));
    processes[0].backend.open();
    settle().await;
    engine.set_faults(Faults::none());
    leader.await.unwrap();
    assert_eq!(follower.await.unwrap().value, "7: run 0");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_between_its_close_and_its_landing_costs_what_pending_lasts_and_no_lease() {
    let engine = MemoryEngine::new();
    let processes = processes_with::<2>(&engine, FleetSettings::new().lease(Duration::from_secs(8)));
    let [leader, follower] = two(&processes).await;
    // It takes effect at once, and its reply comes later.
    engine.takes(ms(20));
    processes[0].backend.open();
    settle().await;
    engine.set_faults(faults(|faults| faults.lost_commands = 100));
    sleep(ms(25)).await;
    leader.await.unwrap();
    engine.set_faults(Faults::none());
    engine.takes(Duration::ZERO);
    let died = Instant::now();
    assert_eq!(follower.await.unwrap().value, "7: run 1");
    assert!(died.elapsed() < ms(1_500), "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_landing_that_fails_is_tried_once_more() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let [leader, follower] = two(&processes).await;
    engine.takes(ms(20));
    processes[0].backend.open();
    settle().await;
    engine.fail();
    leader.await.unwrap();
    sleep(ms(100)).await;
    engine.resume();
    engine.takes(Duration::ZERO);
    assert_eq!(follower.await.unwrap().value, "7: run 0");
}

/// A spent budget is a failure, whatever it was spent on: three in a row, and nobody asks.
#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_answered_counts_as_one_of_the_failures_that_make_calls_skip_the_engine() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    let leader = process.call(7);
    settle().await;
    engine.stop();
    process.backend.open();
    leader.await.unwrap();
    for _ in 0..2 {
        process.call(7).await.unwrap();
    }
    let commands = engine.commands();
    process.call(7).await.unwrap();
    assert!(process.fleet.stats().skipping);
    assert_eq!(engine.commands(), commands);
}

#[tokio::test(start_paused = true)]
async fn news_of_another_flight_of_the_same_key_is_nothing_to_a_follower() {
    let engine = MemoryEngine::new();
    let processes = processes::<3>(&engine);
    engine.set_faults(faults(|faults| (faults.late_news, faults.delay) = (100, ms(200))));
    let first = [processes[0].call(7), processes[1].call(7)];
    settle().await;
    processes[0].backend.open();
    settle().await;
    // The first flight has landed, and the news of it is under way. Another one begins, and takes its time.
    assert_eq!(first.iter().filter(|call| call.is_finished()).count(), 1, "its leader has the outcome");
    let (slow, group) = (Fleet::new(engine.clone(), SECRET), Group::<u32, String>::new());
    let second = tokio::spawn(slow.call(&group, 7, PostcardCodec::new(), || async {
        sleep(ms(400)).await;
        "second".to_owned()
    }));
    settle().await;
    let follower = processes[2].call(7);
    for call in first {
        assert_eq!(call.await.unwrap().value, "7: run 0");
    }
    assert_eq!(second.await.unwrap().value, "second");
    assert_eq!(follower.await.unwrap().value, "second");
    assert_eq!(processes[2].fleet.stats().bad_messages, 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_rejoined_for_long_enough_runs_its_own_work() {
    let engine = MemoryEngine::new();
    let processes = processes::<6>(&engine);
    let mut calls: Vec<_> = processes.iter().map(|process| Some(process.call(7))).collect();
    settle().await;
    for runs in 1..=3 {
        assert_eq!(processes[0].backend.runs(), runs);
        let led = |process: &Process| process.fleet.stats().led > 0;
        let leader = (0..6).find(|at| calls[*at].is_some() && led(&processes[*at])).unwrap();
        calls[leader].take().unwrap().abort();
        settle().await;
    }
    assert_eq!(processes[0].backend.runs(), 4 + 2, "a fourth one leads, and two have waited for three others");
    processes[0].backend.open();
    for call in calls.into_iter().flatten() {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_alone_does_not_ask_the_fleet() {
    let engine = MemoryEngine::new();
    let fleet = Fleet::new(engine.clone(), SECRET);
    let group = Group::<u32, u32>::with_limits(Limits::new().max_followers(0));
    let call = |value| {
        let work = move || async move {
            sleep(ms(100)).await;
            value
        };
        fleet.call(&group, 7, PostcardCodec::new(), work)
    };
    let (leader, alone) = tokio::join!(call(1), call(2));
    assert_eq!((leader.value, alone.value, engine.commands()), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn work_that_calls_its_own_key_does_not_wait_for_itself() {
    let engine = MemoryEngine::new();
    let (fleet, group) = (Fleet::new(engine.clone(), SECRET), Group::<u32, u32>::new());
    let inner = (fleet.clone(), group.clone());
    let started = Instant::now();
    let outcome = fleet.call(&group, 7, PostcardCodec::new(), move || async move {
        let (fleet, group) = inner;
        fleet.call(&group, 7, PostcardCodec::new(), || async { 2 }).await.value
    });
    assert_eq!(outcome.await.value, 2);
    assert!(started.elapsed() < ms(10));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_caller_never_has_what_another_process_began_before_it_came() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let elsewhere = processes[0].call(7);
    settle().await;
    let Process { group, fleet, backend } = &processes[1];
    let ordinary = {
        let backend = backend.clone();
        fleet.call(group, 7, PostcardCodec::new(), move || backend.run(7))
    };
    // The ordinary caller's work has not begun here, and will come to what began elsewhere.
    let fresh = group.call_fresh(7, || async { "fresh".to_owned() });
    let both = tokio::spawn(async move { tokio::join!(ordinary, fresh) });
    settle().await;
    backend.open();
    let (ordinary, fresh) = both.await.unwrap();
    assert_eq!((ordinary.value.as_str(), fresh.value.as_str()), ("7: run 0", "fresh"));
    elsewhere.await.unwrap();
}
