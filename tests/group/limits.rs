//! `Limits`: who may join, and for how long. Time is paused.

use std::time::Duration;

use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, Reason, Role};

use crate::work::{Work, never, settle};

#[test]
fn a_group_has_the_limits_that_it_was_made_with() {
    let limits = Limits::new().max_followers(3).max_flights(5);
    assert_eq!(Group::<u8, u8>::with_limits(limits).limits(), limits);
    assert_eq!(Group::<u8, u8>::new().limits(), Limits::new());
}

#[tokio::test(start_paused = true)]
async fn limits_beyond_all_time_are_none() {
    let limits = Limits::new().max_wait(Duration::MAX).join_window(Duration::MAX);
    let (group, work) = (Group::with_limits(limits), Work::default());
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(follower.poll());
    advance(Duration::from_secs(1_000_000_000)).await;
    assert_pending!(follower.poll());
    let late = group.call("key", never);
    work.gate.notify_one();
    assert_eq!((leader.await.callers, follower.await.callers, late.await.callers), (3, 3, 3));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_and_the_end_of_the_wait_at_once_give_the_outcome() {
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(follower.poll());
    advance(Duration::from_secs(2)).await;
    work.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(follower.poll()).role, Role::Follower);
    assert_eq!(leader.await.callers, 2);
    assert!(group.is_empty());
}

#[tokio::test]
async fn callers_above_a_limit_go_alone() {
    let group = Group::with_limits(Limits::new().max_followers(1).max_flights(1));
    let leader = group.call("key", || async { 1 });
    let follower = group.call("key", never);
    assert_eq!(group.call("key", || async { 2 }).await.role, Role::Alone(Reason::Full));
    assert_eq!(group.call("other", || async { 3 }).await.role, Role::Alone(Reason::Full));
    assert_eq!(follower.await.value, 1);
    assert_eq!(leader.await.value, 1);
    assert_eq!(group.call("other", || async { 3 }).await.role, Role::Leader);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_has_waited_too_long_goes_alone() {
    let limits = Limits::new().max_wait(std::time::Duration::from_secs(2));
    let (group, work) = (Group::with_limits(limits), Work::default());
    let leader = group.call("key", work.run(1));
    let outcome = group.call("key", || async { 2 }).await;
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::WaitedTooLong)));
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_past_its_join_window_makes_room_for_a_new_one() {
    // Room too, where there was room for one.
    for flights in [usize::MAX, 1] {
        let limits = Limits::new().join_window(std::time::Duration::from_secs(1)).max_flights(flights);
        let (group, work) = (Group::with_limits(limits), Work::default());
        let mut old = task::spawn(group.call("key", work.run(1)));
        assert_pending!(old.poll());
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        assert_eq!(group.call("key", || async { 2 }).await.role, Role::Leader);
        work.gate.notify_one();
        assert_eq!(assert_ready!(old.poll()).value, 1);
        assert!(group.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_join_window_of_zero_only_callers_of_the_same_instant_join() {
    let limits = Limits::new().join_window(std::time::Duration::ZERO);
    let (group, work) = (Group::with_limits(limits), Work::default());
    let leader = group.call("key", work.run(1));
    let follower = group.call("key", never);
    assert_eq!(group.callers("key"), 2);
    tokio::time::advance(std::time::Duration::from_nanos(1)).await;
    assert_eq!(group.call("key", || async { 2 }).await.role, Role::Leader);
    work.gate.notify_one();
    assert_eq!((leader.await.value, follower.await.value), (1, 1));
    assert!(group.is_empty());
}

#[tokio::test]
async fn limits_of_zero_let_nobody_join() {
    for (limits, reason) in [
        (Limits::new().max_followers(0), Reason::Full),
        (Limits::new().max_wait(Duration::ZERO), Reason::WaitedTooLong),
    ] {
        let (group, work) = (Group::with_limits(limits), Work::default());
        let mut leader = task::spawn(group.call("key", work.run(7)));
        assert_pending!(leader.poll());
        let outcome = group.call("key", || async { 8 }).await;
        assert_eq!((outcome.value, outcome.role), (8, Role::Alone(reason)));
        work.gate.notify_one();
        assert_eq!(leader.await.value, 7);
        assert!(group.is_empty());
    }
    let group = Group::with_limits(Limits::new().max_flights(0));
    assert_eq!(group.call("key", || async { 8 }).await.role, Role::Alone(Reason::Full));
    assert!(group.is_empty());
}
