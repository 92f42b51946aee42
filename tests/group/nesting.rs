//! Flights that call flights: only a circle of calls that are under way goes alone.

use std::sync::Arc;

use tokio::sync::Notify;
use tower_singleflight::{Group, Role};

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
