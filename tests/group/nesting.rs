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
