//! Two threads at once: is it really one run of a hot key at a time, and is nothing left of a melee?

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use tokio::{
    runtime::{Builder, Handle},
    task::{JoinSet, spawn_blocking, yield_now},
};
use tower_singleflight::{Group, Limits, OnAbandon};

use crate::{told::Told, work::poll_once};

const MICROS: Duration = Duration::from_micros(1);

const TASKS: usize = 8;
const CALLS: usize = 25_000;

#[derive(Default)]
struct Tally {
    /// Runs so far: each flight's value is its own number.
    runs: AtomicU64,
    alive: AtomicUsize,
    overlaps: AtomicUsize,
    /// The newest flight that is known to have landed.
    landed: AtomicU64,
    stale: AtomicUsize,
}

/// Invariants 1, 3 and 5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_one_key_never_overlap_and_nobody_gets_an_outcome_older_than_the_call() {
    let group: Group<&str, u64> = Group::new();
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (group, tally) = (group.clone(), Arc::clone(&tally));
        tasks.spawn(async move {
            for _ in 0..CALLS {
                let before = tally.landed.load(SeqCst);
                let run = Arc::clone(&tally);
                let call = group.call("hot", move || async move {
                    let number = run.runs.fetch_add(1, SeqCst) + 1;
                    if run.alive.fetch_add(1, SeqCst) > 0 {
                        run.overlaps.fetch_add(1, SeqCst);
                    }
                    yield_now().await;
                    run.alive.fetch_sub(1, SeqCst);
                    number
                });
                let number = call.await.value;
                tally.landed.fetch_max(number, SeqCst);
                if number <= before {
                    tally.stale.fetch_add(1, SeqCst);
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no task panics");
    }
    assert_eq!(tally.overlaps.load(SeqCst), 0);
    assert_eq!(tally.stale.load(SeqCst), 0);
    assert!(tally.runs.load(SeqCst) < (TASKS * CALLS) as u64, "nothing was shared");
    assert!(group.is_empty());
}

/// Everything at once, on two threads: joins, leaves, forgets, spawns, limits and graces. Nobody hangs, nothing
/// is left.
#[test]
fn a_melee_leaves_nothing() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    for on_abandon in [OnAbandon::Cancel, OnAbandon::Finish, OnAbandon::CancelAfter(Duration::from_micros(50))] {
        let limits = Limits::new()
            .on_abandon(on_abandon)
            .max_followers(3)
            .max_flights(3)
            .join_window(Duration::from_micros(200))
            .max_wait(Duration::from_millis(1));
        let group: Group<u32, u32> = Group::with_limits(limits);
        runtime.block_on(async {
            let tasks = (0..8u32).map(|number| {
                let group = group.clone();
                tokio::spawn(async move {
                    let mut random = number.wrapping_mul(2_654_435_761).wrapping_add(12_345);
                    let mut next = move || {
                        random ^= random << 13;
                        random ^= random >> 17;
                        random ^= random << 5;
                        random
                    };
                    for _ in 0..5_000 {
                        let key = next() % 4;
                        let yields = next() % 4;
                        let nested = (next() % 8 == 0).then(|| group.clone());
                        let work = move || async move {
                            for _ in 0..yields {
                                yield_now().await;
                            }
                            if let Some(group) = nested {
                                return group.call((key + 1) % 4, move || async move { (key + 1) % 4 }).await.value
                                    + 100;
                            }
                            key
                        };
                        match next() % 8 {
                            0 => drop(group.spawn(key, work)),
                            1 => {
                                group.forget(&key);
                                group.call(key, work).await;
                            }
                            2 => {
                                group.forget_unshared(&key);
                                drop(group.call(key, work));
                            }
                            3 => {
                                let mut call = group.call(key, work);
                                let _ = poll_once(&mut call).await;
                                yield_now().await;
                            }
                            _ => {
                                group.call(key, work).await;
                            }
                        }
                    }
                })
            });
            for task in join_all(tasks.collect::<Vec<_>>()).await {
                task.expect("nobody panics");
            }
            while !group.is_empty() {
                yield_now().await;
            }
        });
    }
    runtime.block_on(async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            yield_now().await;
        }
    });
}

/// The same with calls for the next run, work that panics and runtimes that end; observers are told what `stats` counts.
#[test]
fn of_a_melee_observers_are_told_what_is_counted() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    for (number, on_abandon) in (1..).zip([OnAbandon::Cancel, OnAbandon::Finish, OnAbandon::CancelAfter(MICROS * 50)]) {
        let limits = Limits::new().on_abandon(on_abandon).max_followers(4).max_flights(3);
        let limits = [limits, limits.join_window(MICROS * 200).max_wait(MICROS * 500)][number % 2];
        let told = Arc::new(Told::default());
        let group: Group<u32, u32> = Group::with_limits(limits).observed(Arc::clone(&told));
        let dying = thread::spawn({
            let group = group.clone();
            move || {
                for round in 0..500 {
                    let runtime = Builder::new_current_thread().build().expect("a runtime starts");
                    let _inside = runtime.enter();
                    let mut calls = [0, 1].map(|key| group.call((round + key) % 3, move || pending_then(key)));
                    let fresh = group.call_fresh(round % 3, || pending_then(7));
                    let polled = AssertUnwindSafe(|| calls.each_mut().map(|call| call.now_or_never().is_some()));
                    let _ = catch_unwind(polled);
                    drop(group.spawn(round % 3, || pending_then(8)));
                    drop((calls, fresh));
                }
            }
        });
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for number in 1..=4u32 {
                let group = group.clone();
                tasks.spawn(async move {
                    let mut random = number.wrapping_mul(2_654_435_761);
                    let mut next = move |below: u32| {
                        random ^= random << 13;
                        random ^= random >> 17;
                        random ^= random << 5;
                        random % below
                    };
                    for _ in 0..3_000 {
                        let (key, yields, panics) = (next(3), next(4), next(16) == 0);
                        let nested = (next(8) == 0).then(|| group.clone());
                        let work = move || async move {
                            for _ in 0..yields {
                                yield_now().await;
                            }
                            if let Some(group) = nested {
                                return group.call_fresh((key + 1) % 3, || async { 9 }).await.value;
                            }
                            if panics {
                                resume_unwind(Box::new("work that panics"));
                            }
                            key
                        };
                        let mut call = match next(8) {
                            0 => group.spawn(key, work),
                            1 => group.spawn_fresh(key, work),
                            2 | 3 => group.call_fresh(key, work),
                            4 => match group.try_call(key, work) {
                                Some(call) => call,
                                None => continue,
                            },
                            _ => group.call(key, work),
                        };
                        match next(8) {
                            0 => _ = group.forget(&key),
                            1 => _ = group.forget_where(|key| *key == 1),
                            2 => continue,
                            3 => {
                                let _ = AssertUnwindSafe(poll_once(&mut call)).catch_unwind().await;
                                yield_now().await;
                                continue;
                            }
                            _ => {}
                        }
                        let _ = AssertUnwindSafe(call).catch_unwind().await;
                    }
                });
            }
            while let Some(task) = tasks.join_next().await {
                task.expect("nobody panics");
            }
            spawn_blocking(|| dying.join()).await.expect("it has a thread").expect("nobody panics");
            while group.stats().callers > 0 || !group.is_empty() || Handle::current().metrics().num_alive_tasks() > 0 {
                yield_now().await;
            }
        });
        told.assert_agrees(group.stats());
    }
}

/// Work that is pending now and then.
async fn pending_then(value: u32) -> u32 {
    yield_now().await;
    value
}
