//! One flight and its callers, polled by hand: who may leave, who is told, what is left behind.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::future::join_all;
use tokio::task::yield_now;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Role};

use crate::work::{Work, never, settle};

#[tokio::test]
async fn a_lone_caller_leads_and_shares_with_nobody() {
    let group = Group::new();
    let outcome = group.call("key", || async { 7 }).await;
    assert_eq!((outcome.value, outcome.role, outcome.callers), (7, Role::Leader, 1));
    assert!(!outcome.shared());
    assert!(group.is_empty());
}

/// Invariant 2.
#[tokio::test]
async fn a_caller_is_registered_before_it_is_polled() {
    let group = Group::new();
    let (mut leading, mut following) = (group.call("key", || async { 1 }), group.call("key", never));
    assert!(leading.is_leader() && !following.is_leader());
    assert_eq!(group.callers("key"), 2);
    let (leader, follower) = tokio::join!(&mut leading, &mut following);
    assert!(leading.is_leader() && !following.is_leader(), "also when they have completed");
    assert_eq!((leader.value, leader.callers), (1, 2));
    assert_eq!((follower.value, follower.role, follower.callers), (1, Role::Follower, 2));
    assert!(group.is_empty());
}

/// Invariant 7.
#[tokio::test]
async fn a_leader_that_is_never_polled_holds_nobody_up() {
    let group = Group::new();
    let leader = group.call("key", || async { 1 });
    assert_eq!(group.call("key", never).await.value, 1);
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_follower_outlives_its_leader() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let mut follower = task::spawn(group.call("key", work.run(2)));
    drop(leader);
    assert_pending!(follower.poll());
    assert_eq!(group.callers("key"), 1);
    settle().await;
    work.gate.notify_one();
    settle().await;
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Follower, 1));
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}

/// Invariants 5 and 12.
#[tokio::test]
async fn the_last_caller_to_leave_drops_the_work() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let follower = group.call("key", work.run(2));
    settle().await;
    drop(leader);
    assert_eq!(work.alive(), 1);
    drop(follower);
    assert_eq!((work.alive(), group.callers("key")), (0, 0));
    assert!(group.is_empty());
    work.gate.notify_one();
    assert_eq!(group.call("key", work.run(3)).await.value, 3);
    assert!(group.is_empty());
}

/// Invariant 9.
#[tokio::test]
async fn a_parked_caller_is_woken_once_however_often_the_work_is_woken() {
    let group = Group::new();
    let mut leader = task::spawn(group.call("key", || async {
        for _ in 0..100 {
            yield_now().await;
        }
        1
    }));
    assert_pending!(leader.poll());
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(leader.poll());
    assert_pending!(follower.poll());
    while !follower.is_woken() {
        yield_now().await;
    }
    assert!(leader.is_woken(), "a leader that was polled in solo is woken at the landing");
    assert_eq!(assert_ready!(follower.poll()).value, 1);
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    assert!(group.is_empty());
}

/// Invariant 4; `TestForget` of Go's x/sync.
#[tokio::test]
async fn the_end_of_a_forgotten_flight_leaves_its_successor_alone() {
    let (group, first, second) = (Group::new(), Work::default(), Work::default());
    let mut one = task::spawn(group.call("key", first.run(1)));
    assert_pending!(one.poll());
    assert!(group.forget("key"));
    assert!(!group.forget("key"), "there is nothing to forget any more");
    let mut two = task::spawn(group.call("key", second.run(2)));
    assert_pending!(two.poll());
    first.gate.notify_one();
    assert_eq!(assert_ready!(one.poll()).value, 1);
    let third = group.call("key", never);
    second.gate.notify_one();
    assert_eq!(third.await.value, 2);
    assert_eq!(two.await.value, 2);
    assert!(group.is_empty());
}

/// `TestForgetUnshared` of Go's internal package, on live callers.
#[tokio::test]
async fn a_shared_flight_is_not_forgotten_by_forget_unshared() {
    let (group, work) = (Group::new(), Work::default());
    assert!(group.forget_unshared("key"), "absent");
    let leader = group.call("key", work.run(1));
    let follower = group.call("key", work.run(2));
    assert!(!group.forget_unshared("key"), "two live callers");
    drop(follower);
    assert!(group.forget_unshared("key"), "one live caller");
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

/// Go's `DoChan`.
#[tokio::test]
async fn spawned_work_runs_to_its_end_without_callers() {
    let (group, work) = (Group::new(), Work::default());
    drop(group.spawn("key", work.run(1)));
    settle().await;
    assert_eq!((work.alive(), group.callers("key"), group.in_flight()), (1, 0, 1));
    work.gate.notify_one();
    settle().await;
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}

#[tokio::test]
async fn joining_by_spawn_makes_a_flight_run_to_its_end() {
    let (group, work) = (Group::new(), Work::default());
    let leader = group.call("key", work.run(1));
    drop(group.spawn("key", never));
    drop(leader);
    settle().await;
    assert_eq!(work.alive(), 1);
    work.gate.notify_one();
    settle().await;
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
}

/// Invariant 7.
#[tokio::test]
async fn a_leader_that_is_polled_once_and_then_starved_holds_nobody_up() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(7)));
    assert_pending!(leader.poll());
    let followers: Vec<_> = (0..5).map(|_| group.call("key", never)).collect();
    settle().await;
    work.gate.notify_one();
    for outcome in join_all(followers).await {
        assert_eq!((outcome.value, outcome.role), (7, Role::Follower));
    }
    assert!(leader.is_woken());
    assert_eq!(assert_ready!(leader.poll()).value, 7);
    assert!(group.is_empty());
}

/// The value is cloned once less than it is had, and every one of it is gone at the end. Invariant 12.
#[tokio::test]
async fn the_last_caller_gets_the_value_itself() {
    struct Counted(Arc<(AtomicUsize, AtomicUsize)>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.0.fetch_add(1, SeqCst);
            Self(Arc::clone(&self.0))
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.1.fetch_add(1, SeqCst);
        }
    }
    let (group, counts) = (Group::new(), Arc::new((AtomicUsize::new(0), AtomicUsize::new(0))));
    for callers in [1, 2, 10] {
        counts.0.store(0, SeqCst);
        counts.1.store(0, SeqCst);
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let counts = Arc::clone(&counts);
                group.call("key", move || async move { Counted(counts) })
            })
            .collect();
        for call in calls {
            call.await;
        }
        assert_eq!((counts.0.load(SeqCst), counts.1.load(SeqCst)), (callers - 1, callers));
    }
    assert!(group.is_empty());
}
