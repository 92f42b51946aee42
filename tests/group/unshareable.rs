//! Outcomes that `share_if` keeps for the leader.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tower::{Service, ServiceBuilder, service_fn};
use tower_singleflight::SingleflightLayer;

/// Answers with the number of the call, which only its own caller may have.
fn service() -> impl Service<u64, Response = usize, Error = Infallible, Future: Unpin> {
    let calls = Arc::new(AtomicUsize::new(0));
    ServiceBuilder::new().layer(SingleflightLayer::new(|id: &u64| Some(*id)).share_if(|_| false)).service(service_fn(
        move |_: u64| {
            let call = calls.fetch_add(1, SeqCst);
            async move {
                tokio::task::yield_now().await;
                Ok(call)
            }
        },
    ))
}

#[tokio::test]
async fn a_follower_that_comes_before_the_leader_does_not_get_what_is_the_leaders() {
    let mut service = service();
    let (leader, follower) = (service.call(7), service.call(7));
    assert_eq!(follower.await, Ok(1));
    assert_eq!(leader.await, Ok(0));
}

#[tokio::test]
async fn what_was_kept_for_a_leader_that_has_left_is_nobodys() {
    let mut service = service();
    let (leader, first, second) = (service.call(7), service.call(7), service.call(7));
    drop(leader);
    assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
}
