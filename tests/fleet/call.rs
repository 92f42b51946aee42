//! `Fleet::call`: one run of the work for all processes.

use std::time::Duration;

use tower_singleflight::{
    Role,
    fleet::{FleetCall, MemoryEngine, PostcardCodec},
};

use crate::process::{processes, settle};

#[tokio::test(start_paused = true)]
async fn ten_processes_with_a_hundred_callers_each_are_one_run() {
    let engine = MemoryEngine::new();
    let processes = processes::<10>(&engine);
    let calls: Vec<_> = processes.iter().flat_map(|process| (0..100).map(|_| process.call(7))).collect();
    settle().await;
    processes[0].backend.open();
    let mut led = 0;
    for call in calls {
        let outcome = call.await.unwrap();
        assert_eq!((outcome.value.as_str(), outcome.callers), ("7: run 0", 100));
        led += usize::from(outcome.role == Role::Leader);
    }
    assert_eq!((led, processes[0].backend.runs()), (10, 1));
    let stats = processes.map(|process| process.fleet.stats());
    assert_eq!(stats.iter().map(|stats| stats.led).sum::<u64>(), 1);
    assert_eq!(stats.iter().map(|stats| stats.followed).sum::<u64>(), 9);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(engine.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_of_each_process_leads() {
    let engine = MemoryEngine::new();
    for process in &processes::<2>(&engine) {
        let call = || process.fleet.call(&process.group, 7, PostcardCodec::new(), || async { "rows".to_owned() });
        let calls = [call(), call()];
        assert_eq!(calls.each_ref().map(FleetCall::is_leader), [true, false]);
        for (call, role) in calls.into_iter().zip([Role::Leader, Role::Follower]) {
            assert_eq!(call.await.role, role);
        }
    }
    assert!(engine.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lone_flight_takes_two_commands_and_encodes_nothing() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    process.backend.open();
    assert_eq!(process.call(7).await.unwrap().value, "7: run 0");
    assert_eq!(process.call(7).await.unwrap().value, "7: run 1");
    assert_eq!(engine.commands(), 4);
    assert!(engine.is_empty());
    let stats = process.fleet.stats();
    assert_eq!((stats.led, stats.landed), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_observer_of_the_fleet_that_panics_fails_no_call_and_is_counted_once() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    let observed = process.fleet.clone().observed(|_| panic!("an observer panics on purpose"));
    process.backend.open();
    for _ in 0..2 {
        process.call(7).await.unwrap();
        assert_eq!((observed.stats().observers_off, engine.is_empty()), (1, true));
    }
}

/// It came back at once, as if the time had been none.
#[tokio::test(start_paused = true)]
async fn a_fleet_can_be_drained_for_as_long_as_it_takes() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    engine.takes(Duration::from_millis(20));
    let call = process.call(7);
    settle().await;
    assert!(process.fleet.drain(Duration::MAX).await);
    process.backend.open();
    assert_eq!(call.await.unwrap().value, "7: run 0");
}
