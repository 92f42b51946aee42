//! Callers without a runtime, with one that ends, and with several.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task::yield_now,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, OnAbandon, Reason, Role};

use crate::work::{Work, never, poll_once, settle};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

#[test]
fn spawned_work_that_runs_alone_and_loses_its_runtime_is_still_alone() {
    let group = Group::with_limits(Limits::new().max_flights(0));
    let (first, second) = (current_thread(), current_thread());
    let work = Work::default();
    let mut call = {
        let _context = first.enter();
        group.spawn("key", work.run(1))
    };
    assert!(!call.is_leader());
    drop(first);
    assert!(second.block_on(poll_once(&mut call)).is_none());
    assert!(!call.is_leader(), "it runs its own work");
    work.gate.notify_one();
    let outcome = second.block_on(call);
    assert_eq!((outcome.value, outcome.role), (1, Role::Alone(Reason::Full)));
    assert!(group.is_empty());
}

/// tokio panics where there are no timers; a limit adds no failure to a call.
#[test]
fn a_limited_wait_without_timers_sends_the_follower_alone() {
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
    let work = Work::default();
    let timeless = Builder::new_current_thread().build().expect("a runtime starts");
    let (leader, outcome) = timeless.block_on(async {
        let leader = group.call("key", work.run(1));
        (leader, group.call("key", || async { 2 }).await)
    });
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::NoRuntime)));

    // A timer that was made, and has lost its runtime; the one that polls the caller now has none.
    let first = current_thread();
    let mut follower = group.call("key", || async { 3 });
    assert!(first.block_on(poll_once(&mut follower)).is_none());
    drop(first);
    let outcome = timeless.block_on(follower);
    assert_eq!((outcome.value, outcome.role), (3, Role::Alone(Reason::NoRuntime)));
    work.gate.notify_one();
    assert_eq!(timeless.block_on(leader).value, 1);
    assert!(group.is_empty());
}

#[test]
fn calls_outlive_their_group_and_move_between_runtimes() {
    let work = Work::default();
    let (first, second) = (current_thread(), current_thread());
    let group = Group::new();
    let (leader, follower) = first.block_on(async {
        let mut leader = group.call("key", work.run(1));
        assert!(poll_once(&mut leader).await.is_none());
        let mut follower = group.call("key", never);
        assert!(poll_once(&mut follower).await.is_none());
        settle().await;
        (leader, follower)
    });
    drop(group);
    let waiting = thread::spawn(move || second.block_on(async { (leader.await, follower.await) }));
    work.gate.notify_one();
    first.block_on(async {
        while !waiting.is_finished() {
            yield_now().await;
        }
    });
    let (leader, follower) = waiting.join().unwrap();
    assert_eq!((leader.value, leader.callers, follower.value, follower.callers), (1, 2, 1, 2));
}

#[test]
fn joining_from_a_runtime_that_has_been_shut_down_harms_nobody() {
    let (group, work, dead) = (Group::new(), Work::default(), current_thread());
    let handle = dead.handle().clone();
    drop(dead);
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let _context = handle.enter();
    let mut follower = task::spawn(group.call("key", || async { 2 }));
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::Lost)));
    assert!(leader.is_woken());
    assert_pending!(leader.poll());
    work.gate.notify_one();
    assert!(leader.is_woken());
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    let mut spawned = task::spawn(group.spawn("key", work.run(3)));
    assert_pending!(spawned.poll());
    work.gate.notify_one();
    assert_eq!(assert_ready!(spawned.poll()).value, 3);
    assert!(group.is_empty());
}

#[test]
fn outside_a_runtime_a_second_caller_goes_alone() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let outcome = group.call("key", || async { 2 }).now_or_never().expect("it runs its own work");
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::NoRuntime)));
    work.gate.notify_one();
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    assert!(group.is_empty());
}

/// Invariant 8.
#[test]
fn when_the_runtime_dies_followers_go_alone_and_the_leader_takes_its_work_back() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let runtime = Runtime::new().expect("a runtime starts");
    let mut follower = {
        let _context = runtime.enter();
        task::spawn(group.call("key", || async { 2 }))
    };
    assert_pending!(follower.poll());
    drop(runtime);
    assert!(group.is_empty());
    assert!(follower.is_woken());
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::Lost)));
    assert_pending!(leader.poll());
    work.gate.notify_one();
    let outcome = assert_ready!(leader.poll());
    assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Leader, 1));
    assert_eq!((work.starts(), work.alive()), (1, 0));
}

#[test]
fn a_runtime_that_shuts_down_without_a_leader_drops_the_work() {
    let (group, work) = (Group::new(), Work::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let entered = runtime.enter();
    let leader = group.call("key", work.run(7));
    let mut follower = task::spawn(group.call("key", || async { 8 }));
    drop(entered);
    runtime.block_on(settle());
    drop(leader);
    assert_eq!(work.alive(), 1);
    drop(runtime);
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role), (8, Role::Alone(Reason::Lost)));
}

/// The leader has taken its work back, and leaves in its turn.
#[test]
fn lost_work_that_is_to_be_finished_goes_on_where_its_leader_leaves() {
    let settled = |on_abandon, spawned: bool| {
        let group = Group::with_limits(Limits::new().on_abandon(on_abandon));
        let (dying, living, gate) = (current_thread(), current_thread(), Arc::new(Notify::new()));
        let ended = Arc::new(AtomicU32::new(0));
        let work = {
            let (gate, ended) = (Arc::clone(&gate), Arc::clone(&ended));
            move || async move {
                gate.notified().await;
                ended.store(7, SeqCst);
                7
            }
        };
        let context = dying.enter();
        let mut leader = if spawned { group.spawn("key", work).boxed() } else { group.call("key", work).boxed() };
        let follower = group.call("key", never);
        drop(context);
        drop((follower, dying));
        assert!(group.is_empty(), "the flight is lost");
        living.block_on(async {
            assert!(poll_once(&mut leader).await.is_none());
            drop(leader);
            settle().await;
            assert_eq!(ended.load(SeqCst), 0);
            gate.notify_one();
            settle().await;
        });
        assert!(group.is_empty());
        assert_eq!(Arc::strong_count(&gate), 1, "the work is dropped");
        ended.load(SeqCst)
    };
    assert_eq!(settled(OnAbandon::Cancel, true), 7);
    assert_eq!(settled(OnAbandon::Finish, false), 7);
    assert_eq!(settled(OnAbandon::Cancel, false), 0);
}

#[test]
fn a_call_may_be_awaited_anywhere_once_it_has_landed() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let group: Group<u64, u64> = Group::new();
    let _guard = runtime.enter();
    let calls = [70, 71].map(|value| group.call(7, move || async move { value }));
    runtime.block_on(tokio::task::yield_now());
    drop(_guard);
    for call in calls {
        let mut call = task::spawn(call);
        assert_eq!(assert_ready!(call.poll()).value, 70);
    }
    assert!(group.is_empty());
}
