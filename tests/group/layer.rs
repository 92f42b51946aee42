//! The layer over Tower services: readiness, errors, what is shared and who is told.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_singleflight::{Group, Reason, Role, SharedError, SingleflightLayer};

#[tokio::test]
async fn one_permit_below_serves_fifty_callers_in_one_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|id: &u64| Some(*id)))
        .concurrency_limit(1)
        .service(service_fn(move |id: u64| {
            counted.fetch_add(1, SeqCst);
            async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(id)
            }
        }));
    let callers: Vec<_> = (0..50).map(|_| service.clone().call(7)).collect();
    assert_eq!(service.group().callers(&7), 50);
    assert!(join_all(callers).await.into_iter().all(|answer| answer == Ok(7)));
    assert_eq!(calls.load(SeqCst), 1);
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn a_request_without_a_key_runs_alone() {
    let roles = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&roles);
    let mut service = ServiceBuilder::new()
        .layer(
            SingleflightLayer::new(|id: &u64| (*id > 0).then_some(*id))
                .inspect(move |role, callers| seen.lock().unwrap().push((role, callers))),
        )
        .service(service_fn(|id: u64| async move { Ok::<_, Infallible>(id) }));
    let (a, b) = (service.call(0), service.call(0));
    assert_eq!((a.await, b.await), (Ok(0), Ok(0)));
    assert_eq!(*roles.lock().unwrap(), [(Role::Alone(Reason::NoKey), 1); 2]);
}

#[tokio::test]
async fn an_outcome_that_is_not_shareable_stays_with_the_leader() {
    let calls = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, counting) = (Arc::clone(&calls), Arc::clone(&asked));
    let service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|id: &u64| Some(*id)).share_if(move |_| {
            counting.fetch_add(1, SeqCst);
            false
        }))
        .service(service_fn(move |_: u64| {
            let call = counted.fetch_add(1, SeqCst);
            async move { Ok::<_, Infallible>(call) }
        }));
    let callers: Vec<_> = (0..5).map(|_| service.clone().call(7)).collect();
    let mut answers: Vec<_> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
    answers.sort_unstable();
    assert_eq!(answers, [0, 1, 2, 3, 4], "everybody got an answer of its own");
    assert_eq!(asked.load(SeqCst), 1);
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn a_follower_that_comes_first_leaves_the_leader_its_outcome() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|id: &u64| Some(*id)).share_if(|_| false))
        .service(service_fn(move |_: u64| {
            let number = counted.fetch_add(1, SeqCst);
            async move { Ok::<_, Infallible>(number) }
        }));
    let (leader, follower) = (service.call(7), service.call(7));
    tokio::task::yield_now().await;
    assert_eq!(follower.await, Ok(1));
    assert_eq!(leader.await, Ok(0));
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn all_callers_of_a_flight_share_one_error() {
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|id: &u64| Some(*id)))
        .map_err(SharedError::new)
        .service(service_fn(|_: u64| async { Err::<(), BoxError>(Box::new(std::io::Error::other("down"))) }));
    let (a, b) = (service.call(7), service.call(7));
    let (a, b) = (a.await.unwrap_err(), b.await.unwrap_err());
    assert!(a.ptr_eq(&b));
    assert_eq!(a.downcast_ref::<std::io::Error>().map(ToString::to_string).as_deref(), Some("down"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_is_each_callers_own() {
    let group = Group::new();
    let slow = service_fn(|id: u64| async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok::<_, SharedError>(id)
    });
    let layer = SingleflightLayer::new(|id: &u64| Some(*id)).group(group.clone());
    let hurried = ServiceBuilder::new().timeout(Duration::from_secs(1)).layer(layer.clone()).service(slow);
    let patient = ServiceBuilder::new().layer(layer).service(slow);
    let (hurried, patient) = tokio::join!(hurried.oneshot(7), patient.oneshot(7));
    assert!(hurried.unwrap_err().is::<tower::timeout::error::Elapsed>());
    assert_eq!(patient.unwrap(), 7);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_key_function_that_panics_is_its_callers_alone() {
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|id: &u64| if *id == 0 { panic!("no key") } else { Some(*id) }))
        .service(service_fn(|id: u64| async move { Ok::<_, Infallible>(id) }));
    let running = service.call(1);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(service.call(0))));
    assert!(caught.is_err());
    assert_eq!(running.await, Ok(1));
    assert!(service.group().is_empty());
}
