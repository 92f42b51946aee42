//! Flights that call flights: only a circle of calls that are under way goes alone.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout};
use tower_singleflight::{Group, Reason, Role};

use crate::work::{Work, never, settle};

#[tokio::test]
async fn a_call_that_has_been_given_up_closes_no_circle() {
    let (group, of_a, of_b) = (Group::new(), Work::default(), Arc::new(Notify::new()));
    let (inner, opened) = (group.clone(), Arc::clone(&of_b));
    let b = group.spawn("b", move || async move {
        opened.notified().await;
        let outcome = inner.call("a", never).await;
        assert_eq!(outcome.role, Role::Follower);
        outcome.value
    });
    let (inner, rest) = (group.clone(), of_a.run(5));
    let a = group.spawn("a", move || async move {
        drop(inner.call("b", never));
        rest().await
    });
    settle().await;
    assert_eq!((of_a.starts(), group.callers("b")), (1, 1), "a has called b, and given that call up");
    of_b.notify_one();
    settle().await;
    assert_eq!(group.callers("a"), 2);
    of_a.gate.notify_one();
    assert_eq!((a.await.value, b.await.value), (5, 5));
    assert!(group.is_empty());
}

/// a -> a (spawned, alone) -> a.
#[tokio::test(start_paused = true)]
async fn work_that_spawns_its_own_key_closes_no_circle_by_way_of_the_spawned_work() {
    let group: Group<&str, u32> = Group::new();
    let outer = group.clone();
    let call = group.call("a", move || async move {
        let inner = outer.clone();
        let spawned = outer.spawn("a", move || async move {
            let outcome = inner.call("a", || async { 7 }).await;
            assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
            outcome.value
        });
        let outcome = spawned.await;
        assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
        outcome.value
    });
    let outcome = timeout(Duration::from_secs(1), call).await.expect("nobody waits for itself");
    assert_eq!(outcome.value, 7);
    assert!(group.is_empty());
}

#[tokio::test]
async fn work_that_calls_its_own_key_runs_that_call_alone() {
    let group: Group<&str, u32> = Group::new();
    let (b, a) = (group.clone(), group.clone());
    let outcome = group
        .call("a", move || async move {
            let inner = b.call("b", move || async move {
                let inner = a.call("a", || async { 3 }).await;
                assert_eq!(inner.role, Role::Alone(Reason::Reentrant));
                inner.value
            });
            inner.await.value
        })
        .await;
    assert_eq!(outcome.value, 3);
    assert!(group.is_empty());
}

/// As a worker's does that makes all calls, such as tower's `Buffer`.
async fn called_elsewhere<C: Send + 'static>(call: impl FnOnce() -> C + Send + 'static) -> C {
    tokio::spawn(async move { call() }).await.expect("it only makes a call")
}

#[tokio::test(start_paused = true)]
async fn a_call_that_another_task_has_made_is_the_works_own_where_the_work_polls_it() {
    let group: Group<&str, u32> = Group::new();
    let outer = group.clone();
    let call = group.call("a", move || async move {
        let call = called_elsewhere(move || outer.call("a", || async { 7 })).await;
        assert!(!call.is_leader(), "nothing shows yet who waits for it");
        let outcome = call.await;
        assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
        outcome.value
    });
    let outcome = timeout(Duration::from_secs(1), call).await.expect("nobody waits for itself");
    assert_eq!(outcome.value, 7);
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.released, stats.waiting), (1, 1, 1, 0));
    assert!(group.is_empty());
}

/// a -> b -> a, each call made by another task.
#[tokio::test(start_paused = true)]
async fn a_circle_of_calls_that_other_tasks_have_made_is_seen_where_they_are_polled() {
    for shared in [false, true] {
        let group: Group<&str, u32> = Group::new();
        let (to_b, to_a) = (group.clone(), group.clone());
        let of_b = move || async move {
            let outcome = called_elsewhere(move || to_a.call("a", || async { 3 })).await.await;
            assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
            outcome.value
        };
        let a =
            group.call("a", move || async move { called_elsewhere(move || to_b.call("b", of_b)).await.await.value });
        let follower = shared.then(|| group.call("a", never));
        let a = timeout(Duration::from_secs(1), a).await.expect("nobody waits for itself");
        assert_eq!(a.value, 3);
        if let Some(follower) = follower {
            assert_eq!(follower.await.value, 3);
        }
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn a_call_that_another_task_has_made_is_shared_where_its_work_does_not_wait_for_the_caller() {
    let (group, of_a) = (Group::new(), Work::default());
    let a = group.spawn("a", of_a.run(5));
    let to_a = group.clone();
    let b = group.spawn("b", move || async move {
        let outcome = called_elsewhere(move || to_a.call("a", never)).await.await;
        assert_eq!(outcome.role, Role::Follower);
        outcome.value
    });
    settle().await;
    assert_eq!(group.callers("a"), 2);
    of_a.gate.notify_one();
    assert_eq!((a.await.value, b.await.value), (5, 5));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fresh_call_that_another_task_has_made_starts_beside_the_work_that_polls_it() {
    let group: Group<&str, u32> = Group::new();
    let outer = group.clone();
    let call = group.call("a", move || async move {
        let again = outer.clone();
        let leads = called_elsewhere(move || again.call_fresh("a", || async { 7 })).await;
        let follows = called_elsewhere(move || outer.call_fresh("a", || async { 8 })).await;
        assert_eq!((leads.is_leader(), follows.is_leader()), (true, false));
        let (follows, leads) = (follows.await, leads.await);
        assert_eq!((follows.role, leads.role), (Role::Alone(Reason::Reentrant), Role::Leader));
        follows.value + leads.value
    });
    let outcome = timeout(Duration::from_secs(1), call).await.expect("nobody waits for itself");
    assert_eq!(outcome.value, 15);
    assert!(group.is_empty());
}
