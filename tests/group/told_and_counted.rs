//! What observers are told of flights and callers, and what `stats` counts of them, is the same.

use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    task::{Context, Wake, Waker},
};

use futures_util::FutureExt;
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};
use tokio_test::{assert_pending, task};
use tower_singleflight::{Group, Limits, Reason, Role};

use crate::{
    told::Told,
    work::{Work, never, settle},
};

fn told<K: 'static, T: 'static>(limits: Limits) -> (Group<K, T>, Arc<Told>) {
    let told = Arc::new(Told::default());
    (Group::with_limits(limits).observed(Arc::clone(&told)), told)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime starts")
}

#[test]
fn a_flight_that_was_lost_is_not_abandoned_too_when_its_leader_leaves() {
    let (group, told) = told(Limits::new());
    let work = Work::default();
    let dead = runtime();
    let calls = dead.block_on(async { [group.call("key", work.run(1)), group.call("key", work.run(2))] });
    drop(dead);
    drop(calls);
    assert_eq!((group.stats().lost, group.stats().abandoned), (1, 0));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// Its task runs work that no flight runs.
#[test]
fn what_a_spawn_runs_alone_is_no_flight_that_can_be_lost() {
    let (group, told) = told::<_, u32>(Limits::new().max_flights(1));
    let dead = runtime();
    let calls = dead.block_on(async { [group.spawn("key", never), group.spawn("other", never)] });
    assert!(!calls[1].is_leader());
    drop(dead);
    drop(calls);
    assert_eq!((group.stats().led, group.stats().alone, group.stats().lost), (1, 1, 1));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// The flight has landed, and they leave before they have seen it.
#[tokio::test]
async fn followers_that_leave_when_it_has_landed_have_left_whatever_it_came_to() {
    let (group, told) = told(Limits::new());
    let work = Work::default();
    let calls = [(); 3].map(|()| group.call("key", work.run(1)));
    work.gate.notify_one();
    settle().await;
    drop(calls);
    assert_eq!((group.stats().left, group.stats().saved()), (2, 0));

    let calls = [(); 3].map(|()| group.call("key", || async { panic!("no luck") }));
    settle().await;
    drop(calls);
    assert_eq!((group.stats().left, group.stats().panicked), (4, 0));

    let mut calls: Vec<_> = (0..3).map(|_| group.call("key", work.run(1))).collect();
    drop(calls.remove(0));
    work.gate.notify_one();
    settle().await;
    let kept = calls.remove(0);
    drop(calls);
    assert_eq!(kept.await.value, 1);
    assert_eq!((group.stats().left, group.stats().saved()), (5, 1));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

#[test]
fn followers_that_leave_when_it_is_lost_have_left() {
    let (group, told) = told(Limits::new());
    let work = Work::default();
    let dead = runtime();
    let [leader, follower, other] = dead.block_on(async { [(); 3].map(|()| group.call("key", work.run(1))) });
    drop(dead);
    drop(follower);
    let alive = runtime();
    work.gate.notify_one();
    assert_eq!(alive.block_on(leader).value, 1);
    work.gate.notify_one();
    assert_eq!(alive.block_on(other).role, Role::Alone(Reason::Lost));
    assert_eq!((group.stats().left, group.stats().released), (1, 1));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// A value that cannot be copied; the last to have it needs no copy.
#[derive(Debug)]
struct Uncopied;

impl Clone for Uncopied {
    fn clone(&self) -> Self {
        resume_unwind(Box::new("a value that cannot be copied"))
    }
}

#[tokio::test]
async fn a_value_that_panics_as_it_is_copied_is_a_panic_in_those_who_get_none() {
    let (group, told) = told(Limits::new());
    let calls = [(); 3].map(|()| {
        group.call("key", || async {
            yield_now().await;
            Uncopied
        })
    });
    let mut failed = Vec::new();
    for call in calls {
        failed.push(AssertUnwindSafe(call).catch_unwind().await.is_err());
    }
    assert_eq!(failed, [true, true, false]);
    assert_eq!((group.stats().panicked, group.stats().saved()), (1, 1));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// Work that its caller does not need.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        resume_unwind(Box::new("work that panics as it is dropped"));
    }
}

#[tokio::test]
async fn a_followers_own_work_that_panics_as_it_is_dropped_is_a_panic_in_the_follower() {
    let (group, told) = told(Limits::new());
    let leader = group.call("key", || ready(1).boxed());
    let unused = PanicsOnDrop;
    let follower = group.call("key", move || {
        let _unused = &unused;
        ready(2).boxed()
    });
    assert_eq!(leader.await.value, 1);
    assert!(AssertUnwindSafe(follower).catch_unwind().await.is_err());
    assert_eq!((group.stats().panicked, group.stats().saved()), (1, 0));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// As above, but it leaves.
#[tokio::test]
async fn a_follower_that_leaves_and_panics_has_left() {
    let (group, told) = told(Limits::new());
    let leader = group.call("key", || ready(1).boxed());
    let unused = PanicsOnDrop;
    let mut follower = task::spawn(group.call("key", move || {
        let _unused = &unused;
        ready(2).boxed()
    }));
    assert_pending!(follower.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(follower))).is_err());
    assert_eq!(leader.await.value, 1);
    assert_eq!(group.stats().left, 1);
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// A waker that panics as it is dropped.
struct Worn(PanicsOnDrop);

impl Wake for Worn {
    fn wake(self: Arc<Self>) {}
}

/// The observers were told that it panicked, and it was counted as one that left.
#[tokio::test]
async fn a_follower_whose_waker_panics_has_panicked_and_is_no_caller_any_more() {
    let (group, told) = told(Limits::new());
    let leader = group.call("key", || ready(1).boxed());
    let mut follower = group.call("key", || ready(2).boxed());
    let other = group.call("key", || ready(3).boxed());
    let waker = Waker::from(Arc::new(Worn(PanicsOnDrop)));
    assert!(follower.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let parks = AssertUnwindSafe(|| follower.poll_unpin(&mut Context::from_waker(Waker::noop())));
    assert!(catch_unwind(parks).is_err());
    assert_eq!(group.callers("key"), 2);
    drop(follower);
    assert_eq!((leader.await.callers, other.await.value), (2, 1));
    assert_eq!((group.stats().panicked, group.stats().left, group.stats().saved()), (1, 0, 1));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}
