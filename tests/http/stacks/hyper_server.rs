//! Under a hyper server, eight connections, half of them over HTTP/2: the service is made once, and each connection has a
//! clone, so that it needs no group of its own.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use tower::{
    BoxError, Service, ServiceBuilder,
    limit::{ConcurrencyLimitLayer, RateLimitLayer},
    service_fn,
};
use tower_http::{cors::CorsLayer, timeout::TimeoutLayer};
use tower_singleflight::{
    SharedBody, SharedError,
    http::{BodySource, CloneBodyLayer},
};

use crate::stacks::{
    cases::{HASTY, Stack},
    hold::Hold,
    origin::Origin,
    retry::Once,
    seen::{Flights, Middle, Seen},
    wire,
};

fn by_path(request: &Request<Incoming>) -> Option<String> {
    Some(request.uri().path().to_owned())
}

/// A response, as those below the layers are.
type Made = Result<Response<BoxBody<Bytes, Infallible>>, Infallible>;

fn bottom(
    origin: &Origin,
) -> impl Service<Request<Incoming>, Response = Response<BoxBody<Bytes, Infallible>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static
+ use<> {
    let origin = origin.clone();
    service_fn(move |request| origin.clone().answer(request))
}

async fn stack<S, B>(origin: &Origin, seen: &(impl Flights + Clone + 'static), service: S) -> Stack
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let address = wire::serve(service).await;
    let asked = AtomicUsize::new(0);
    let versions = [Version::HTTP_11, Version::HTTP_2];
    Stack::new(origin, seen, move |path| wire::ask(address, versions[asked.fetch_add(1, SeqCst) % 2], path))
}

/// An answer in place of an error, which would end the connection.
fn refuse<B: Default, E>(result: Result<Response<B>, E>) -> Result<Response<B>, E> {
    Ok(result.unwrap_or_else(|_| {
        let mut refused = Response::new(B::default());
        *refused.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        refused
    }))
}

#[tokio::test]
async fn eight_connections_are_one_call() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service =
        ServiceBuilder::new().layer(seen.layer(by_path)).layer(CloneBodyLayer::new()).service(bottom(&origin));
    stack(&origin, &seen, service).await.one_call().await;
}

#[tokio::test]
async fn with_the_rules_of_http_and_a_key_function_too() {
    let (origin, middle) = (Origin::new(), Middle::new());
    let service = ServiceBuilder::new().layer(middle.layer()).service(bottom(&origin));
    stack(&origin, &middle, service).await.one_call().await;
}

/// Layers that answer by themselves want bodies that have a default.
#[tokio::test]
async fn cors_and_a_timeout_stand_above_either_layer() {
    let (origin, seen, middle) = (Origin::new(), Seen::new(), Middle::new());
    let above = || {
        ServiceBuilder::new()
            .layer(CorsLayer::permissive())
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, 1000 * HASTY))
    };
    let generic = above().layer(seen.layer(by_path)).layer(CloneBodyLayer::new()).service(bottom(&origin));
    stack(&origin, &seen, generic).await.one_call().await;
    let origin = Origin::new();
    let of_http = above().layer(middle.layer()).service(bottom(&origin));
    stack(&origin, &middle, of_http).await.one_call().await;
}

#[tokio::test]
async fn a_timeout_above_is_each_callers_own() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service =
        ServiceBuilder::new().layer(seen.layer(by_path)).layer(CloneBodyLayer::new()).service(bottom(&origin));
    let hasty = ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, HASTY))
        .service(service.clone());
    let hasty = wire::ask(wire::serve(hasty).await, Version::HTTP_2, "/rows");
    stack(&origin, &seen, service).await.timeout_above(hasty, "408").await;
}

#[tokio::test]
async fn a_timeout_below_is_the_flights() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .layer(hold.clone())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, HASTY))
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.timeout_below(hold, "408").await;
}

/// An error that is not `Clone`: all share one.
#[tokio::test]
async fn a_timeout_below_that_is_an_error_is_shared() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let service = ServiceBuilder::new()
        .map_result(refuse::<BodySource<_>, SharedError>)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .timeout(HASTY)
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.timeout_below(hold, "503").await;
}

#[tokio::test]
async fn retry_above_is_one_new_flight() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .map_request(|request: Request<Incoming>| request.map(BodySource::new))
        .retry(Once::more())
        .layer(seen.layer(|request: &Request<BodySource<Incoming>>| Some(request.uri().path().to_owned())))
        .layer(CloneBodyLayer::new())
        .service(service_fn({
            let origin = origin.clone();
            move |request| -> std::pin::Pin<Box<dyn Future<Output = Made> + Send>> {
                Box::pin(origin.clone().answer::<BodySource<Incoming>>(request))
            }
        }));
    stack(&origin, &seen, service).await.retry_above().await;
}

#[tokio::test]
async fn retry_below_is_the_flights() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_request(|request: Request<Incoming>| request.map(BodySource::new))
        .retry(Once::more())
        .service(service_fn({
            let origin = origin.clone();
            move |request: Request<BodySource<Incoming>>| origin.clone().answer(request)
        }));
    stack(&origin, &seen, service).await.retry_below().await;
}

#[tokio::test]
async fn a_limit_above_keeps_callers_from_joining() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(2))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.limit_above().await;
}

#[tokio::test]
async fn a_limit_below_counts_flights() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .concurrency_limit(1)
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.limit_below().await;
}

#[tokio::test]
async fn load_shed_above_refuses_callers() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .map_result(refuse::<BodySource<_>, BoxError>)
        .load_shed()
        .concurrency_limit(2)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.shed_above("503").await;
}

#[tokio::test]
async fn load_shed_below_refuses_a_flight_once() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let service = ServiceBuilder::new()
        .map_result(refuse::<BodySource<_>, SharedError>)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .load_shed()
        .concurrency_limit(1)
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.shed_below(hold, "503").await;
}

#[tokio::test]
async fn a_buffer_above_changes_nothing() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .buffer(8)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.one_call().await;
}

/// A rate limit is not `Clone`.
#[tokio::test]
async fn a_buffer_below_is_for_services_that_are_not_clone() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .buffer(8)
        .layer(RateLimitLayer::new(100, HASTY))
        .service(bottom(&origin));
    stack(&origin, &seen, service).await.one_call().await;
}

#[test]
fn a_default_body_is_the_bodys_own_default() {
    type Full = http_body_util::Full<Bytes>;
    assert!(BodySource::<Full>::default().is_end_stream());
    assert!(SharedBody::<Full>::default().is_end_stream());
}
