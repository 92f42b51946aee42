//! One local leader's way, and each of the rules F: what it asks of the engine, and what it does when that fails.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};
use tower_singleflight::{
    Group,
    fleet::{Faults, Fleet, FleetReason, FleetRole, FleetSettings, MemoryEngine, PostcardCodec},
};

use crate::process::{Process, Roles, SECRET, processes, processes_with, settle};

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// All that a process was told and asked has come to its end, and nothing lies in the engine.
async fn rest(engine: &MemoryEngine, processes: &[Process]) {
    for process in processes {
        assert!(process.group.is_empty());
        assert!(process.fleet.drain(Duration::from_secs(60)).await);
    }
    assert_eq!(engine.unclosed(), 0);
    sleep(Duration::from_secs(12)).await;
    assert!(engine.is_empty());
}

#[tokio::test(start_paused = true)]
async fn f1_callers_that_leave_hand_over_at_once() {
    let engine = MemoryEngine::new();
    let processes = processes::<3>(&engine);
    let leader = processes[0].call(7);
    settle().await;
    let followers = [processes[1].call(7), processes[2].call(7)];
    settle().await;
    leader.abort();
    processes[0].backend.open();
    let left = Instant::now();
    for follower in followers {
        assert_eq!(follower.await.unwrap().value, "7: run 1");
    }
    assert!(left.elapsed() < ms(10), "no lease was waited for: {:?}", left.elapsed());
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn f1_work_that_panics_does_so_in_each_process_by_itself() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let call = |process: &Process| {
        let backend = process.backend.clone();
        let call = process.fleet.call(&process.group, 7, PostcardCodec::new(), move || async move {
            if backend.clone().run(7).await == "7: run 0" { panic!("the first one") } else { "well".to_owned() }
        });
        tokio::spawn(AssertUnwindSafe(call).catch_unwind())
    };
    let first = call(&processes[0]);
    settle().await;
    let second = call(&processes[1]);
    settle().await;
    processes[0].backend.open();
    assert!(first.await.unwrap().is_err());
    let outcome = second.await.unwrap().expect("the panic is that of another process");
    assert_eq!(outcome.value, "well");
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn f1_a_lead_that_comes_too_late_is_given_up() {
    let engine = MemoryEngine::new();
    let processes = processes::<1>(&engine);
    processes[0].backend.open();
    engine.takes(ms(200));
    let started = Instant::now();
    assert_eq!(processes[0].call(7).await.unwrap().value, "7: run 0");
    assert!(started.elapsed() <= ms(60), "the budget, and no more: {:?}", started.elapsed());
    sleep(ms(300)).await;
    engine.takes(Duration::ZERO);
    rest(&engine, &processes).await;
    assert_eq!(processes[0].fleet.stats().without_engine, 1);
}

/// Whoever follows it meanwhile is told so. It has not led, and so it is none of the flights that were told to others either.
#[tokio::test(start_paused = true)]
async fn f1_a_lead_that_comes_too_late_and_is_followed_is_handed_over_and_counts_as_none() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    engine.takes(ms(90));
    let first = processes[0].call(7);
    settle().await;
    engine.takes(Duration::ZERO);
    let second = processes[1].call(7);
    sleep(ms(200)).await;
    processes[0].backend.open();
    assert_eq!([first.await.unwrap().value, second.await.unwrap().value], ["7: run 0", "7: run 1"]);
    rest(&engine, &processes).await;
    let stats = processes[0].fleet.stats();
    assert_eq!((stats.led, stats.landed, stats.without_engine), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn f3_the_outcome_is_seen_when_closing_is_acknowledged_or_its_budget_is_spent() {
    for (takes, expected) in [(20, 20), (200, 50)] {
        let engine = MemoryEngine::new();
        let processes = processes::<1>(&engine);
        let call = processes[0].call(7);
        settle().await;
        engine.takes(ms(takes));
        let ended = Instant::now();
        processes[0].backend.open();
        call.await.unwrap();
        let took = ended.elapsed();
        assert!(took >= ms(expected) && took <= ms(expected + 5), "{took:?} where the engine takes {takes} ms");
        engine.takes(Duration::ZERO);
        sleep(ms(300)).await;
        rest(&engine, &processes).await;
    }
}

/// The engine stalls for a second just when the leader closes: it is told late, and its followers have its outcome.
#[tokio::test(start_paused = true)]
async fn f3_a_flight_that_is_closed_late_lands_all_the_same() {
    let engine = MemoryEngine::new();
    let processes = processes_with::<2>(&engine, FleetSettings::new().budget(ms(50)).lease(Duration::from_secs(5)));
    let leader = processes[0].call(7);
    settle().await;
    let follower = processes[1].call(7);
    settle().await;
    let mut late = Faults::none();
    (late.late_commands, late.delay) = (100, ms(90));
    engine.set_faults(late);
    processes[0].backend.open();
    leader.await.unwrap();
    engine.set_faults(Faults::none());
    assert_eq!(follower.await.unwrap().value, "7: run 0");
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn f5_an_engine_that_is_gone_stopped_or_slow_fails_nobody_and_costs_the_budget() {
    for what in ["gone", "stopped", "slow"] {
        let engine = MemoryEngine::new();
        let processes = processes::<5>(&engine);
        match what {
            "gone" => engine.fail(),
            "stopped" => engine.stop(),
            _ => engine.takes(Duration::from_secs(3)),
        }
        processes[0].backend.open();
        let started = Instant::now();
        for call in processes.iter().flat_map(|process| [process.call(7), process.call(7)]).collect::<Vec<_>>() {
            call.await.unwrap();
        }
        assert!(started.elapsed() <= ms(60), "{what}: {:?}", started.elapsed());
        assert_eq!(processes[0].backend.runs(), 5, "{what}: one for each process");
        engine.takes(Duration::ZERO);
        engine.resume();
        rest(&engine, &processes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f5_followers_notice_within_a_tick_and_the_budget_that_the_engine_has_stopped() {
    let engine = MemoryEngine::new();
    let processes = processes::<3>(&engine);
    let calls = processes.each_ref().map(|process| process.call(7));
    settle().await;
    assert_eq!(processes[0].backend.runs(), 1);
    engine.stop();
    sleep(ms(2 * 50 + 250)).await;
    assert_eq!(processes[0].backend.runs(), 3, "each runs its own");
    processes[0].backend.open();
    for call in calls {
        call.await.unwrap();
    }
    engine.resume();
    sleep(Duration::from_secs(11)).await;
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn f5_an_engine_that_does_not_answer_is_skipped_and_tried_by_one_caller_a_second() {
    let engine = MemoryEngine::new();
    let [process] = processes::<1>(&engine);
    process.backend.open();
    engine.stop();
    let mut waited = Vec::new();
    for _ in 0..300 {
        let started = Instant::now();
        process.call(7).await.unwrap();
        waited.push(started.elapsed());
        sleep(ms(10)).await;
    }
    waited.sort();
    assert!(waited[150] < ms(2), "p50: {:?}", waited[150]);
    // Three in a row, then one in each second of the rest.
    assert!(waited.iter().filter(|waited| **waited >= ms(50)).count() <= 3 + 4, "{waited:?}");
    assert!(process.fleet.stats().skipping);
    engine.resume();
    sleep(Duration::from_secs(2)).await;
    let before = process.fleet.stats().led;
    process.call(7).await.unwrap();
    assert_eq!((process.fleet.stats().led, process.fleet.stats().skipping), (before + 1, false));
    rest(&engine, &[process]).await;
}

#[tokio::test(start_paused = true)]
async fn f6_processes_with_other_secrets_and_namespaces_do_not_meet() {
    let engine = MemoryEngine::new();
    let fleets = [
        Fleet::new(engine.clone(), SECRET),
        Fleet::new(engine.clone(), [8; 32]),
        Fleet::with_settings(engine.clone(), SECRET, FleetSettings::new().namespace("other")).unwrap(),
        Fleet::new(engine.clone(), SECRET).named("users").unwrap(),
    ];
    let groups = [(); 4].map(|()| Group::<u32, usize>::new());
    let calls = fleets.iter().zip(&groups).enumerate().map(|(at, (fleet, group))| {
        fleet.call(group, 7, PostcardCodec::new(), move || async move {
            sleep(ms(100)).await;
            at
        })
    });
    let values: Vec<_> = futures_util::future::join_all(calls).await.into_iter().map(|outcome| outcome.value).collect();
    assert_eq!(values, [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn f7_a_follower_waits_for_max_wait_and_then_runs_its_own() {
    let engine = MemoryEngine::new();
    let processes = processes_with::<2>(&engine, FleetSettings::new().max_wait(Duration::from_secs(1)));
    let leader = processes[0].call(7);
    settle().await;
    let follower = processes[1].call(7);
    sleep(ms(900)).await;
    assert_eq!(processes[0].backend.runs(), 1);
    sleep(ms(200)).await;
    assert_eq!(processes[0].backend.runs(), 2);
    processes[0].backend.open();
    leader.await.unwrap();
    follower.await.unwrap();
    rest(&engine, &processes).await;
}

/// Each of two processes leads a key, and its work calls, by its own group and fleet, the key that the other leads. Neither can
/// see that it waits for itself.
#[tokio::test(start_paused = true)]
async fn f7_a_circle_through_two_processes_ends_with_max_wait() {
    let engine = MemoryEngine::new();
    let max_wait = Duration::from_secs(1);
    let processes = processes_with::<2>(&engine, FleetSettings::new().max_wait(max_wait));
    let roles = processes.each_ref().map(|process| Roles::of(&process.fleet));
    processes[0].backend.open();
    let call = |process: &Process, leads: u32, follows: u32| {
        let (fleet, group, backend) = (process.fleet.clone(), process.group.clone(), process.backend.clone());
        process.fleet.call(&process.group, leads, PostcardCodec::new(), move || async move {
            // By then the other leads as well.
            sleep(ms(10)).await;
            fleet.call(&group, follows, PostcardCodec::new(), move || backend.run(follows)).await.value
        })
    };
    let called = Instant::now();
    let both = futures_util::future::join(call(&processes[0], 1, 2), call(&processes[1], 2, 1));
    let (a, b) = timeout(Duration::from_secs(5), both).await.expect("it ends");
    assert!(called.elapsed() >= max_wait, "each waits for the other: {:?}", called.elapsed());
    assert_eq!((&a.value[..2], &b.value[..2], processes[0].backend.runs()), ("2:", "1:", 2));
    for roles in roles {
        assert_eq!(roles.take(), [FleetRole::Led, FleetRole::Local(FleetReason::WaitedTooLong)]);
    }
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn f8_a_lease_is_renewed_until_the_lead_limit_has_passed() {
    let engine = MemoryEngine::new();
    let settings = FleetSettings::new().lease(ms(300)).lead_limit(ms(1_500)).max_wait(Duration::from_secs(30));
    let processes = processes_with::<2>(&engine, settings);
    let leader = processes[0].call(7);
    settle().await;
    let follower = processes[1].call(7);
    sleep(ms(1_400)).await;
    assert_eq!(processes[0].backend.runs(), 1, "five leases later it still leads");
    sleep(ms(700)).await;
    assert_eq!(processes[0].backend.runs(), 2, "it is stuck, and was replaced");
    processes[0].backend.open();
    assert_eq!(leader.await.unwrap().value, "7: run 0", "its own callers have what it comes to");
    assert_eq!(follower.await.unwrap().value, "7: run 1");
    assert_eq!(processes[0].fleet.stats().lost, 1);
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn work_longer_than_its_lease_is_one_run_by_its_renewals() {
    let engine = MemoryEngine::new();
    let processes = processes_with::<5>(&engine, FleetSettings::new().lease(ms(300)));
    let calls = processes.each_ref().map(|process| process.call(7));
    sleep(ms(1_500)).await;
    processes[0].backend.open();
    for call in calls {
        assert_eq!(call.await.unwrap().value, "7: run 0");
    }
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_is_replaced_once_when_its_lease_is_over() {
    let engine = MemoryEngine::new();
    let processes = processes_with::<4>(&engine, FleetSettings::new().lease(ms(500)));
    let leader = processes[0].call(7);
    settle().await;
    let followers = [1, 2, 3].map(|at| processes[at].call(7));
    settle().await;
    // A process that dies asks nothing any more.
    let dies = Instant::now();
    let mut lost = Faults::none();
    lost.lost_commands = 100;
    engine.set_faults(lost);
    leader.abort();
    settle().await;
    engine.set_faults(Faults::none());
    sleep(ms(600)).await;
    assert_eq!(processes[0].backend.runs(), 2, "one of the three has taken over");
    processes[0].backend.open();
    for follower in followers {
        assert_eq!(follower.await.unwrap().value, "7: run 1");
    }
    assert!(dies.elapsed() < ms(700), "{:?}", dies.elapsed());
    rest(&engine, &processes).await;
}

#[tokio::test(start_paused = true)]
async fn news_that_is_lost_costs_a_tick_and_no_more() {
    for without_news in [false, true] {
        let engine = if without_news { MemoryEngine::without_news() } else { MemoryEngine::new() };
        let mut lost = Faults::none();
        lost.lost_news = 100;
        engine.set_faults(lost);
        let processes = processes::<10>(&engine);
        let calls: Vec<_> = processes.iter().map(|process| process.call(7)).collect();
        sleep(ms(200)).await;
        processes[0].backend.open();
        let landed = Instant::now();
        for call in calls {
            assert_eq!(call.await.unwrap().value, "7: run 0");
        }
        let longest = if without_news { ms(30) } else { ms(260) };
        assert!(landed.elapsed() <= longest, "{:?}", landed.elapsed());
        rest(&engine, &processes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flight_older_than_the_join_window_is_replaced() {
    let engine = MemoryEngine::new();
    let fleets = [(); 2].map(|()| Fleet::new(engine.clone(), SECRET));
    let limits = tower_singleflight::Limits::new().join_window(ms(100));
    let groups = [(); 2].map(|()| Group::<u32, u32>::with_limits(limits));
    let call = |at: usize, value| {
        let work = move || async move {
            sleep(ms(400)).await;
            value
        };
        tokio::spawn(fleets[at].call(&groups[at], 7, PostcardCodec::new(), work))
    };
    let first = call(0, 1);
    sleep(ms(50)).await;
    let joins = call(1, 2);
    sleep(ms(150)).await;
    let late = call(0, 3);
    assert_eq!([first.await.unwrap().value, joins.await.unwrap().value, late.await.unwrap().value], [1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_drains_asks_no_more_and_waits_for_what_it_asked() {
    let engine = MemoryEngine::new();
    let processes = processes::<2>(&engine);
    let leader = processes[0].call(7);
    settle().await;
    let follower = processes[1].call(7);
    settle().await;
    engine.takes(ms(30));
    processes[0].backend.open();
    leader.await.unwrap();
    assert!(processes[0].fleet.drain(Duration::from_secs(1)).await);
    assert_eq!(follower.await.unwrap().value, "7: run 0");
    let commands = engine.commands();
    processes[0].call(8).await.unwrap();
    assert_eq!(engine.commands(), commands);
    engine.stop();
    engine.takes(Duration::ZERO);
    drop(processes[1].call(9));
    settle().await;
    assert!(!processes[1].fleet.drain(ms(10)).await, "an operation is under way");
}

#[test]
fn bad_settings_are_one_clear_error_where_the_fleet_is_made() {
    let made = |settings| {
        Fleet::with_settings(MemoryEngine::new(), SECRET, settings).map(drop).map_err(|error| error.to_string())
    };
    let settings = FleetSettings::new;
    for (settings, expected) in [
        (settings().namespace(" "), "the namespace of a fleet is empty"),
        (settings().lease(Duration::ZERO), "lease of a fleet is below 1 ms"),
        (settings().budget(Duration::ZERO), "budget of a fleet is below 1 ms"),
        (settings().lease(ms(20)), "the lease of a fleet, 20ms, is below its budget, 50ms"),
        (settings().lead_limit(ms(60)), "lead_limit of a fleet, 60ms, is below its lease, 5s"),
        (settings().max_message(0), "max_message of a fleet is 0 bytes"),
    ] {
        assert_eq!(made(settings), Err(expected.to_owned()));
    }
    assert_eq!(made(settings()), Ok(()));
    // The least that is allowed, the most, and more than that.
    let all = |time| settings().lease(time).budget(time).max_wait(time).keep(time).lead_limit(time);
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    assert_eq!((made(all(ms(1))), made(all(year))), (Ok(()), Ok(())));
    assert_eq!(made(all(year + ms(1))), Err("lease of a fleet is above a year".to_owned()));
}

#[test]
fn without_a_runtime_work_runs_without_the_fleet() {
    let engine = MemoryEngine::new();
    let (fleet, group) = (Fleet::new(engine.clone(), SECRET), Group::<u32, u32>::new());
    let call = fleet.call(&group, 7, PostcardCodec::new(), || async { 7 });
    assert_eq!(futures_util::future::FutureExt::now_or_never(call).unwrap().value, 7);
    assert_eq!(engine.commands(), 0);
}
