//! Outcomes that `share_if` keeps for the leader.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tower::{Service, ServiceBuilder, service_fn};
use tower_singleflight::{Group, SingleflightLayer};

/// Answers with the number of the call, which only its own caller may have.
fn service(
    group: &Group<u64, Result<usize, Infallible>>,
) -> impl Service<u64, Response = usize, Error = Infallible, Future: Unpin> {
    let calls = Arc::new(AtomicUsize::new(0));
    let layer = SingleflightLayer::new(|id: &u64| Some(*id)).group(group.clone()).share_if(|_| false);
    ServiceBuilder::new().layer(layer).service(service_fn(move |_: u64| {
        let call = calls.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok(call)
        }
    }))
}

#[tokio::test]
async fn a_follower_that_comes_before_the_leader_does_not_get_what_is_the_leaders() {
    let group = Group::new();
    let mut service = service(&group);
    let (leader, follower) = (service.call(7), service.call(7));
    assert_eq!(follower.await, Ok(1));
    assert_eq!(leader.await, Ok(0));
    assert!(group.is_empty());
}

#[tokio::test]
async fn what_was_kept_for_a_leader_that_has_left_is_nobodys() {
    let group = Group::new();
    let mut service = service(&group);
    let (leader, first, second) = (service.call(7), service.call(7), service.call(7));
    drop(leader);
    assert_eq!((first.await, second.await), (Ok(1), Ok(2)));
    assert!(group.is_empty());
}

/// What a run says of sharing its outcome says nothing of the next one's.
#[tokio::test]
async fn those_who_wait_for_the_next_run_are_not_released_with_the_one_that_is_under_way() {
    let runs = Arc::new(AtomicUsize::new(0));
    let ran = Arc::clone(&runs);
    let layer = SingleflightLayer::new(|_: &bool| Some(7)).fresh_if(|fresh: &bool| *fresh);
    let mut service = ServiceBuilder::new().layer(layer.share_if(|run| *run != Ok(0))).service(service_fn(move |_| {
        let run = ran.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(run)
        }
    }));
    let before = tokio::spawn(service.call(false));
    tokio::task::yield_now().await; // the run has begun
    let (first, second) = (service.call(true), service.call(true));
    assert_eq!(tokio::join!(first, second), (Ok(1), Ok(1)));
    assert_eq!(before.await.unwrap(), Ok(0));
    assert_eq!(runs.load(SeqCst), 2);
    assert!(service.group().is_empty());
}
