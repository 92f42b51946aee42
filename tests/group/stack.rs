//! The layer among other layers: each order, and what it means.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, join_all},
};
use tokio_test::{assert_pending, task};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt,
    limit::{ConcurrencyLimitLayer, RateLimitLayer},
    load_shed::error::Overloaded,
    retry::Policy,
    service_fn,
    timeout::error::Elapsed,
    util::BoxService,
};
use tower_singleflight::{Group, SharedError, SingleflightLayer};
use tower_test::{assert_request_eq, mock};

use crate::work::by_id;

/// Tries once more after an error.
#[derive(Clone)]
struct Once(bool);

impl<E> Policy<u64, u64, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Ready<()>> {
        (result.is_err() && std::mem::take(&mut self.0)).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

#[tokio::test]
async fn retry_above_makes_one_new_flight_of_all_who_try_again() {
    let group = Group::new();
    let (service, mut handle) = mock::pair::<u64, u64>();
    let mut service = ServiceBuilder::new()
        .retry(Once(true))
        .layer(SingleflightLayer::new(by_id).group(group.clone()))
        .map_err(SharedError::new)
        .service(service);
    let mut calls: Vec<_> = (0..5).map(|_| task::spawn(service.call(7))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    let respond = assert_request_eq!(handle, 7);
    respond.send_error("first");
    let answers = tokio::spawn(join_all(calls.into_iter().map(task::Spawn::into_inner)));
    assert_request_eq!(handle, 7).send_response(70);
    assert!(answers.await.unwrap().into_iter().all(|answer| answer.unwrap() == 70));
    drop(service);
    assert!(handle.next_request().await.is_none(), "two requests in all");
    assert!(group.is_empty());
}

#[tokio::test]
async fn retry_below_is_the_flights_own() {
    let (service, mut handle) = mock::pair::<u64, u64>();
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .retry(Once(true))
        .service(service);
    let answers = tokio::spawn(join_all((0..5).map(|_| service.call(7)).collect::<Vec<_>>()));
    assert_request_eq!(handle, 7).send_error("first");
    assert_request_eq!(handle, 7).send_response(70);
    assert!(answers.await.unwrap().into_iter().all(|answer| answer.unwrap() == 70));
    assert!(service.group().is_empty());
    drop(service);
    assert!(handle.next_request().await.is_none(), "two requests in all");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_above_ends_one_callers_wait_and_the_flight_goes_on() {
    let (service, mut handle) = mock::pair::<u64, u64>();
    let inner = ServiceBuilder::new().layer(SingleflightLayer::new(by_id)).map_err(SharedError::new).service(service);
    let mut hasty = ServiceBuilder::new().timeout(Duration::from_secs(1)).service(inner.clone());
    let mut patient = inner;
    let group = patient.group().clone();
    let (hasty, patient) = (hasty.call(7), patient.call(7));
    let error = hasty.await.unwrap_err();
    assert!(error.is::<Elapsed>());
    assert_request_eq!(handle, 7).send_response(70);
    assert_eq!(patient.await.unwrap(), 70);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_below_is_the_flights_deadline_and_all_get_its_error() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .timeout(Duration::from_secs(1))
        .service(service_fn(move |_: u64| {
            counted.fetch_add(1, SeqCst);
            std::future::pending::<Result<u64, Infallible>>()
        }));
    let group = service.group().clone();
    for answer in join_all((0..5).map(|_| service.call(7)).collect::<Vec<_>>()).await {
        assert!(answer.unwrap_err().downcast_ref::<Elapsed>().is_some());
    }
    assert_eq!(calls.load(SeqCst), 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_follower_that_is_kept_holds_no_permit() {
    let (service, mut handle) = mock::pair::<u64, u64>();
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .layer(ConcurrencyLimitLayer::new(2))
        .service(service);
    let mut followers: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for follower in &mut followers {
        follower.ready().await.unwrap();
    }
    let calls: Vec<_> = followers.iter_mut().map(|follower| follower.call(7)).collect();
    let mut other = task::spawn(service.call(8));
    assert_pending!(other.poll());
    let calls = tokio::spawn(join_all(calls));
    // One running call of two permitted: another key gets the other permit.
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (id, respond) = handle.next_request().await.unwrap();
        respond.send_response(10 * id);
        ids.push(id);
    }
    ids.sort_unstable();
    assert_eq!(ids, [7, 8]);
    assert!(calls.await.unwrap().into_iter().all(|answer| answer.unwrap() == 70));
    assert_eq!(other.await.unwrap(), 80);
    assert!(service.group().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_below_counts_flights() {
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .buffer(8)
        .layer(RateLimitLayer::new(1, Duration::from_secs(1)))
        .service(service_fn(|id: u64| async move { Ok::<_, Infallible>(10 * id) }));
    let calls: Vec<_> = (0..20).map(|caller| service.call(7 + caller % 2)).collect();
    let start = tokio::time::Instant::now();
    for (caller, answer) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), 10 * (7 + caller as u64 % 2));
    }
    assert!(start.elapsed() < Duration::from_secs(2), "two flights, a second apart");
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn load_shed_below_sheds_flights_and_not_their_followers() {
    let (service, mut handle) = mock::pair::<u64, u64>();
    handle.allow(1);
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .load_shed()
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service);
    let calls: Vec<_> = (0..5).map(|_| service.call(7)).collect();
    let answers = tokio::spawn(join_all(calls));
    let (_, respond) = handle.next_request().await.unwrap();
    let shed = service.call(8).await.unwrap_err();
    assert!(shed.downcast_ref::<Overloaded>().is_some());
    respond.send_response(70);
    assert!(answers.await.unwrap().into_iter().all(|answer| answer.unwrap() == 70));
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn a_panic_below_can_be_caught_above_by_each_caller() {
    let service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .service(service_fn(|_: u64| async { panic!("below") as Result<u64, Infallible> }));
    let calls = (0..3).map(|_| AssertUnwindSafe(service.clone().call(7)).catch_unwind()).collect::<Vec<_>>();
    assert!(join_all(calls).await.into_iter().all(|answer| answer.is_err()));
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn catch_panic_and_trace_above_answer_each_caller() {
    use http::{Request, Response, StatusCode};
    use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};
    use tower_singleflight::{HttpSingleflightLayer, http::HttpGroup};
    type Body = http_body_util::Full<bytes::Bytes>;
    let group = HttpGroup::new();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CatchPanicLayer::new())
        .layer(HttpSingleflightLayer::new().group(group.clone()))
        .service(service_fn(|_: Request<Body>| async { panic!("below") as Result<Response<Body>, Infallible> }));
    let request = || Request::new(Body::default());
    let calls = (0..3).map(|_| service.clone().oneshot(request())).collect::<Vec<_>>();
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_service_of_which_all_is_asserted_is_one() {
    use axum::body::Body;
    use http::{Request, Response};
    use tower_singleflight::{HttpSingleflightLayer, assert_service, http::ContentBody};
    let service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(by_id))
        .map_err(SharedError::new)
        .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(10 * id) }));
    assert_service::<u64, _>(&service);
    assert_eq!(service.oneshot(7).await.unwrap(), 70);

    type Answer = Result<Response<Body>, Infallible>;
    let heads = ServiceBuilder::new()
        .layer(HttpSingleflightLayer::new())
        .service(service_fn(|_: Request<Body>| async { Answer::Ok(Response::default()) }));
    assert_service::<Request<Body>, _>(&heads);
    assert_eq!(heads.oneshot(Request::default()).await.unwrap().status(), 200);

    let contents = ServiceBuilder::new()
        .layer(HttpSingleflightLayer::new().content_key(8))
        .service(service_fn(|_: Request<ContentBody<Body>>| async { Answer::Ok(Response::default()) }));
    assert_service::<Request<Body>, _>(&contents);
    assert_eq!(contents.oneshot(Request::default()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_builders_methods_put_the_layers_where_they_are_called() {
    use axum::body::Body;
    use http::{Request, Response};
    use tower_singleflight::{Role, ServiceBuilderExt, http::Coalesced};
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let mut service = ServiceBuilder::new()
        .map_result(|answer: Result<u64, SharedError>| answer.map(|answer| answer + 1))
        .singleflight(by_id)
        .map_err(SharedError::new)
        .service(service_fn(move |id: u64| {
            count.fetch_add(1, SeqCst);
            async move { Ok::<_, BoxError>(10 * id) }
        }));
    let answers = join_all([service.call(7), service.call(7)]).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 71));
    assert_eq!(calls.load(SeqCst), 1);

    let service = ServiceBuilder::new()
        .http_singleflight()
        .service(service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) }));
    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.extensions().get::<Coalesced>().map(|coalesced| coalesced.role), Some(Role::Leader));
}

/// The worker of a buffer makes all calls, whoever has asked it.
#[tokio::test(start_paused = true)]
async fn work_that_asks_for_its_own_key_through_a_buffer_above_does_not_wait_for_itself() {
    type Buffered = tower::buffer::Buffer<u64, BoxFuture<'static, Result<u64, SharedError>>>;
    for callers in [1, 5] {
        let (calls, top) = (Arc::new(AtomicUsize::new(0)), Arc::new(OnceLock::<Buffered>::new()));
        let (count, again) = (Arc::clone(&calls), Arc::clone(&top));
        let layered = SingleflightLayer::new(by_id).layer(service_fn(move |id: u64| {
            let asks_again = (count.fetch_add(1, SeqCst) == 0).then(|| again.get().expect("it is set").clone());
            match asks_again {
                Some(top) => top.oneshot(id).map_err(SharedError::new).boxed(),
                None => ready(Ok(10 * id)).boxed(),
            }
        }));
        let group = layered.group().clone();
        let service = tower::buffer::Buffer::new(BoxService::new(layered), 8);
        assert!(top.set(service.clone()).is_ok());
        let answers = join_all((0..callers).map(|_| service.clone().oneshot(7)));
        let answers = tokio::time::timeout(Duration::from_secs(1), answers).await.expect("nobody waits for itself");
        assert!(answers.into_iter().all(|answer| answer.unwrap() == 70));
        assert_eq!(calls.load(SeqCst), 2, "the first call's, and the one that it made itself");
        assert!(group.is_empty());
    }
}
