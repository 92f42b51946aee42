//! What a caller that leaves takes along.

use std::{
    future::pending,
    mem::take,
    panic::panic_any,
    pin::Pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use futures_util::FutureExt;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::{runtime::Builder, sync::Notify};
use tokio_test::{assert_pending, task};
use tower_singleflight::{Group, Role};

use crate::work::{Kept, Work, never, settle};

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Invariant 12: a flight that goes on for days does not keep the wakers of all who ever waited for it.
#[tokio::test]
async fn a_caller_that_leaves_takes_its_waker_along() {
    let (group, work, idle) = (Group::new(), Work::default(), Arc::new(Idle));
    let waker = Waker::from(Arc::clone(&idle));
    let leader = group.call("key", work.run(1));
    let mut follower = group.call("key", never);
    assert!(Pin::new(&mut follower).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&idle), 2, "the flight keeps it");
    drop(follower);
    assert_eq!(Arc::strong_count(&idle), 1);
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

/// Invariants 7 and 11.
#[tokio::test]
async fn whoever_is_the_last_of_five_callers_gets_the_outcome() {
    for last in 0..5 {
        let (group, work) = (Group::new(), Work::default());
        let mut calls: Vec<_> = (0..5).map(|number| task::spawn(group.call("key", work.run(number)))).collect();
        for call in &mut calls {
            assert_pending!(call.poll());
        }
        let last_call = calls.remove(last);
        settle().await;
        drop(calls);
        assert_eq!((work.alive(), group.callers("key")), (1, 1));
        work.gate.notify_one();
        let outcome = last_call.await;
        let role = if last == 0 { Role::Leader } else { Role::Follower };
        assert_eq!((outcome.value, outcome.role, outcome.callers), (0, role, 1));
        assert_eq!((work.starts(), work.alive()), (1, 0));
        assert!(group.is_empty());
    }
}

/// Invariant 12: what was kept for the leader goes when the leader does.
#[tokio::test]
async fn a_leader_that_leaves_after_the_landing_leaves_nothing_behind() {
    for panics in [false, true] {
        let (group, value) = (Group::new(), Arc::new(()));
        let given = Arc::clone(&value);
        let work = move || async move { if panics { panic_any(given) } else { given } };
        let leader = group.call("key", work);
        let follower = group.call("key", || async { unreachable!("the leader's work runs") });
        settle().await;
        assert!(group.is_empty(), "it has landed");
        drop(follower);
        assert_eq!(Arc::strong_count(&value), 2, "it is the leader's to take");
        drop(leader);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

/// Invariant 12: a flight that lands without its leader goes when its last follower has its part.
#[tokio::test]
async fn a_flight_that_lands_without_its_leader_leaves_nothing_behind() {
    let (group, value, gate) = (Group::new(), Arc::new(()), Arc::new(Notify::new()));
    let (given, opened) = (Arc::clone(&value), Arc::clone(&gate));
    let leader = group.call("key", move || async move {
        opened.notified().await;
        given
    });
    let follower = group.call("key", || async { unreachable!("the leader's work runs") });
    settle().await;
    drop(leader);
    gate.notify_one();
    let outcome = follower.await;
    assert_eq!(Arc::strong_count(&value), 2, "the follower has it");
    drop(outcome);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(group.is_empty());
}

/// The same for the work of a lost flight, which is the leader's to take back.
#[test]
fn a_leader_that_leaves_a_lost_flight_takes_its_work_along() {
    let (group, kept) = (Group::<_, u32>::new(), Arc::new(()));
    let runtime = Builder::new_current_thread().build().expect("a runtime starts");
    let entered = runtime.enter();
    let given = Arc::clone(&kept);
    let leader = group.call("key", move || async move {
        let _given = given;
        pending().await
    });
    let follower = group.call("key", never);
    drop(entered);
    drop(runtime);
    assert!(group.is_empty(), "it is lost");
    drop(follower);
    assert_eq!(Arc::strong_count(&kept), 2, "it is the leader's to take back");
    drop(leader);
    assert_eq!(Arc::strong_count(&kept), 1);
}

/// Drops all that it was given when it is woken.
struct Sweeper(Kept);

impl Wake for Sweeper {
    fn wake(self: Arc<Self>) {
        drop(take(&mut *self.0.lock().unwrap()));
    }
}

#[tokio::test]
async fn a_waker_may_drop_all_other_callers_at_the_landing() {
    let (group, work, kept) = (Group::new(), Work::default(), Kept::default());
    let waker = Waker::from(Arc::new(Sweeper(Arc::clone(&kept))));
    let mut leader = group.call("key", work.run(1));
    let calls = (0..10).map(|_| {
        let mut call = group.call("key", never);
        assert!(Pin::new(&mut call).poll(&mut Context::from_waker(&waker)).is_pending());
        call.boxed()
    });
    let calls: Vec<_> = calls.collect();
    kept.lock().unwrap().extend(calls);
    assert!(Pin::new(&mut leader).poll(&mut Context::from_waker(&waker)).is_pending());
    settle().await;
    work.gate.notify_one();
    settle().await;
    assert!(kept.lock().unwrap().is_empty());
    assert_eq!(leader.await.callers, 11);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_follower_outlives_a_chain_of_three_hundred_leaders() {
    let (group, work, idle) = (Group::new(), Work::default(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(7)));
    assert_pending!(leader.poll());
    for _ in 0..300 {
        let next = task::spawn(group.call("key", idle.run(8)));
        drop(std::mem::replace(&mut leader, next));
        assert_eq!(group.callers("key"), 1);
    }
    settle().await;
    work.gate.notify_one();
    assert_eq!(leader.await.value, 7);
    assert_eq!((work.starts(), idle.starts()), (1, 0));
    assert!(group.is_empty());
}

/// Invariants 10 and 12.
#[tokio::test]
async fn ten_thousand_followers_leave_in_any_order() {
    let (group, work) = (Group::new(), Work::default());
    let mut calls: Vec<_> = (0..10_000).map(|_| task::spawn(group.call("key", work.run(7)))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    settle().await;
    calls.shuffle(&mut StdRng::seed_from_u64(7));
    while let Some(call) = calls.pop() {
        drop(call);
        assert_eq!(group.callers("key"), calls.len());
    }
    settle().await;
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}
