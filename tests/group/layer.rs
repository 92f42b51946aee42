//! The layer over Tower services: readiness, errors, what is shared and who is told.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::join_all};
use tower::{BoxError, Layer, Service, ServiceBuilder, service_fn};
use tower_singleflight::{Group, Reason, Role, SharedError, SingleflightLayer};

use crate::work::by_id;

#[tokio::test]
async fn one_permit_below_serves_fifty_callers_in_one_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = ServiceBuilder::new().layer(SingleflightLayer::new(by_id)).concurrency_limit(1).service(service_fn(
        move |id: u64| {
            counted.fetch_add(1, SeqCst);
            async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(id)
            }
        },
    ));
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
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn an_outcome_that_is_not_shareable_stays_with_the_leader() {
    let calls = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, counting) = (Arc::clone(&calls), Arc::clone(&asked));
    let service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id).share_if(move |_| {
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
    let mut service = ServiceBuilder::new().layer(SingleflightLayer::new(by_id).share_if(|_| false)).service(
        service_fn(move |_: u64| {
            let number = counted.fetch_add(1, SeqCst);
            async move { Ok::<_, Infallible>(number) }
        }),
    );
    let (leader, follower) = (service.call(7), service.call(7));
    tokio::task::yield_now().await;
    assert_eq!(follower.await, Ok(1));
    assert_eq!(leader.await, Ok(0));
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn all_callers_of_a_flight_share_one_error() {
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .service(service_fn(|_: u64| async { Err::<(), BoxError>(Box::new(std::io::Error::other("down"))) }));
    let (a, b) = (service.call(7), service.call(7));
    let (a, b) = (a.await.unwrap_err(), b.await.unwrap_err());
    assert!(a.ptr_eq(&b));
    assert_eq!(a.downcast_ref::<std::io::Error>().map(ToString::to_string).as_deref(), Some("down"));
    assert!(service.group().is_empty());
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

/// A service whose readiness or whose clone fails.
#[derive(Clone)]
struct Unready(&'static str);

impl Service<u64> for Unready {
    type Response = u64;
    type Error = &'static str;
    type Future = std::future::Ready<Result<u64, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        assert!(self.0 != "panic", "not ready and never to be");
        Poll::Ready(Err(self.0))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        panic!("called without being ready");
    }
}

#[tokio::test]
async fn an_error_or_a_panic_of_readiness_reaches_every_caller_and_no_call_is_made() {
    let layer = SingleflightLayer::new(by_id);
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(Unready("shut"));
    let answers = join_all((0..5).map(|_| service.call(7)).collect::<Vec<_>>()).await;
    assert_eq!(answers, [Err("shut"); 5]);
    let mut panicking = ServiceBuilder::new().layer(layer).service(Unready("panic"));
    let calls = (0..5).map(|_| AssertUnwindSafe(panicking.call(7)).catch_unwind()).collect::<Vec<_>>();
    assert!(join_all(calls).await.iter().all(Result::is_err));
    assert!(service.group().is_empty() && panicking.group().is_empty());
}

#[tokio::test]
async fn a_predicate_that_panics_counts_as_the_work_and_a_callback_that_does_fails_nobody() {
    let layer = SingleflightLayer::new(by_id);
    let echo = || service_fn(|id: u64| async move { Ok::<_, Infallible>(id) });
    let mut service = ServiceBuilder::new().layer(layer.clone().share_if(|_| panic!("share_if"))).service(echo());
    let calls = (0..3).map(|_| AssertUnwindSafe(service.call(7)).catch_unwind()).collect::<Vec<_>>();
    for answer in join_all(calls).await {
        assert_eq!(*answer.unwrap_err().downcast::<&str>().unwrap(), "share_if");
    }
    assert!(service.group().is_empty());

    let layer = layer.inspect(|role, _| assert!(role != Role::Leader, "inspect"));
    let mut service = ServiceBuilder::new().layer(layer).service(echo());
    for _ in 0..2 {
        let calls = (0..3).map(|_| service.call(7)).collect::<Vec<_>>();
        assert_eq!(join_all(calls).await, [Ok(7); 3]);
        assert_eq!(service.group().stats().observers_off, 1, "it is asked no more");
    }
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn one_layer_over_two_services_is_two_groups_unless_it_is_given_one() {
    let layer = SingleflightLayer::new(by_id);
    let service = || service_fn(|id: u64| async move { Ok::<_, Infallible>(id) });
    let (mut one, mut two) = (layer.layer(service()), layer.layer(service()));
    let calls = (one.call(7), two.call(7));
    assert_eq!((one.group().callers(&7), two.group().callers(&7)), (1, 1));
    drop(calls);

    let group = Group::new();
    let layer = SingleflightLayer::new(by_id).group(group.clone());
    let (mut one, mut two) = (layer.layer(service()), layer.layer(service()));
    let calls = (one.call(7), two.call(7));
    assert_eq!(group.callers(&7), 2);
    drop(calls);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_service_that_cannot_fail_still_cannot() {
    fn infallible<S: Service<u64, Error = Infallible>>(service: S) -> S {
        service
    }
    let inner = service_fn(|id: u64| async move { Ok::<_, Infallible>(id) });
    let mut service = infallible(SingleflightLayer::new(by_id).layer(inner));
    let Ok(answer) = service.call(7).await;
    assert_eq!(answer, 7);
}
