//! Of the operations that somebody waits for, 1,024 run at a time: who finds no room runs the work without the fleet.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower_singleflight::{
    Outcome,
    fleet::{
        FleetReason::{Busy, Unavailable},
        FleetRole::{Led, Local},
        FleetSettings, MemoryEngine,
    },
};

use crate::process::{Process, Roles, processes, processes_with, settle};

const MOST: u32 = 1024;

/// Makes calls that ask an engine which does not answer, until there is no room for another operation.
async fn fill(process: &Process, engine: &MemoryEngine) -> Vec<JoinHandle<Outcome<String>>> {
    engine.stop();
    let asked = engine.commands();
    let calls = (0..MOST).map(|key| process.call(1_000 + key)).collect();
    settle().await;
    assert_eq!(engine.commands() - asked, u64::from(MOST));
    calls
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_finds_no_room_for_an_operation_runs_its_work_at_once() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    process.backend.open();
    let roles = Roles::of(&process.fleet);
    let calls = fill(&process, &engine).await;
    assert_eq!((roles.take(), process.backend.runs()), (vec![], 0), "all that have found room wait for the engine");
    let called = Instant::now();
    assert_eq!(process.call(7).await.unwrap().value, "7: run 0");
    assert_eq!((called.elapsed(), roles.take()), (Duration::ZERO, vec![Local(Busy)]));
    assert_eq!(engine.commands(), u64::from(MOST), "the engine has not heard of it");
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(roles.take(), vec![Local(Unavailable); MOST as usize]);

    // The operations go on, though nobody waits for them any more: there is room again when two leases are over.
    engine.resume();
    for (later, role) in [(2, Local(Busy)), (10, Led)] {
        sleep(Duration::from_secs(later)).await;
        process.call(7).await.unwrap();
        assert_eq!(roles.take(), [role]);
    }
    assert!(process.group.is_empty() && engine.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_finds_no_room_is_not_the_one_who_tries_after_a_pause() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    process.backend.open();
    let calls = fill(&process, &engine).await;
    for call in calls {
        call.await.unwrap();
    }
    engine.resume();
    let roles = Roles::of(&process.fleet);
    // The calls have failed, and so the engine is not asked for a second. Then there is no room until the operations end.
    sleep(Duration::from_secs(1)).await;
    let mut busy = 0;
    loop {
        process.call(7).await.unwrap();
        match *roles.take() {
            [Led] => break,
            [role] => assert_eq!(role, Local(Busy), "after {busy} that found no room"),
            ref roles => panic!("{roles:?}"),
        }
        busy += 1;
        assert!(busy < 200, "there is room again some time");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(busy > 0);
}

#[tokio::test(start_paused = true)]
async fn a_follower_who_finds_no_room_to_look_runs_its_work_then() {
    let engine = MemoryEngine::without_news();
    let processes = processes_with::<2>(&engine, FleetSettings::new().max_wait(Duration::from_secs(30)));
    let roles = processes.each_ref().map(|process| Roles::of(&process.fleet));
    let leader = processes[0].call(7);
    settle().await;
    let follower = processes[1].call(7);
    settle().await;
    assert_eq!(roles[0].take(), [Led]);
    let calls = fill(&processes[1], &engine).await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(roles[1].take(), [Local(Busy)], "it had to look after 10 ms");
    engine.resume();
    processes[0].backend.open();
    assert_eq!((leader.await.unwrap().value, follower.await.unwrap().value), ("7: run 0".into(), "7: run 1".into()));
    for call in calls {
        call.await.unwrap();
    }
    assert!(processes.iter().all(|process| process.group.is_empty()));
}
