//! Over hyper-util's client: callers of one process, and an origin behind a socket.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Service, ServiceBuilder, ServiceExt, limit::RateLimitLayer, service_fn};
use tower_singleflight::{SharedError, http::CloneBodyLayer};

use crate::stacks::{
    cases::{Answer, HASTY, Stack},
    hold::Hold,
    origin::Origin,
    retry::Once,
    seen::{Flights, Middle, Seen},
    wire,
};

fn by_path(request: &Request<Empty<Bytes>>) -> Option<String> {
    Some(request.uri().path().to_owned())
}

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn serve(origin: &Origin) -> SocketAddr {
    let origin = origin.clone();
    wire::serve(service_fn(move |request| origin.clone().answer(request))).await
}

async fn ask<S, B>(service: S, address: SocketAddr, path: &'static str) -> Answer
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: ToString>,
    B: Body<Error: std::error::Error>,
{
    let request = Request::get(format!("http://{address}{path}")).body(Empty::new()).unwrap();
    wire::read(service.oneshot(request).await.map_err(|error| error.to_string())?).await
}

async fn stack<S, B>(origin: &Origin, seen: &(impl Flights + Clone + 'static), service: S) -> Stack
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: ToString + Send, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data: Send, Error: std::error::Error + Send> + Send + 'static,
{
    let address = serve(origin).await;
    Stack::new(origin, seen, move |path| ask(service.clone(), address, path))
}

#[tokio::test]
async fn eight_callers_are_one_request() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(client());
    stack(&origin, &seen, service).await.one_call().await;
}

#[tokio::test]
async fn with_the_rules_of_http_and_a_key_function_too() {
    let (origin, middle) = (Origin::new(), Middle::new());
    let service = ServiceBuilder::new().layer(middle.layer()).map_err(SharedError::new).service(client());
    stack(&origin, &middle, service).await.one_call().await;
}

/// The original is to be had from what all share.
#[tokio::test]
async fn a_dead_origin_is_one_error_that_leads_to_the_clients_own() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (seen, hold) = (Seen::new(), Hold::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .service(client());
    let request = || Request::get(format!("http://{gone}/rows")).body(Empty::new()).unwrap();
    let callers: Vec<_> = (0..8).map(|_| service.clone().call(request())).collect();
    hold.let_go(1);
    for answer in futures_util::future::join_all(callers).await {
        let error = answer.map(|_| ()).unwrap_err();
        let original = error.downcast_ref::<hyper_util::client::legacy::Error>();
        assert!(original.is_some_and(|error| error.is_connect()));
    }
    assert!(seen.none());
}

#[tokio::test]
async fn a_timeout_above_is_each_callers_own() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(client());
    let hasty = ServiceBuilder::new().timeout(HASTY).service(service.clone());
    let address = serve(&origin).await;
    let stack = Stack::new(&origin, &seen, move |path| ask(service.clone(), address, path));
    stack.timeout_above(ask(hasty, address, "/rows"), "request timed out").await;
}

/// Whether the origin has the request by then is the network's affair: requests are counted as they are sent.
#[tokio::test]
async fn a_timeout_below_is_the_flights() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .timeout(HASTY)
        .map_request(move |request| {
            counted.fetch_add(1, SeqCst);
            request
        })
        .service(client());
    stack(&origin, &seen, service).await.counted_by(sent).timeout_below(hold, "request timed out").await;
}

#[tokio::test]
async fn retry_above_is_one_new_flight() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .retry(Once::more())
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(client());
    stack(&origin, &seen, service).await.retry_above().await;
}

#[tokio::test]
async fn retry_below_is_the_flights() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .retry(Once::more())
        .service(client());
    stack(&origin, &seen, service).await.retry_below().await;
}

#[tokio::test]
async fn a_limit_above_keeps_callers_from_joining() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(client());
    stack(&origin, &seen, service).await.limit_above().await;
}

#[tokio::test]
async fn a_limit_below_counts_flights() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .concurrency_limit(1)
        .service(client());
    stack(&origin, &seen, service).await.limit_below().await;
}

#[tokio::test]
async fn load_shed_above_refuses_callers() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(2)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(client());
    stack(&origin, &seen, service).await.shed_above("service overloaded").await;
}

#[tokio::test]
async fn load_shed_below_refuses_a_flight_once() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .load_shed()
        .concurrency_limit(1)
        .service(client());
    stack(&origin, &seen, service).await.shed_below(hold, "service overloaded").await;
}

#[tokio::test]
async fn a_buffer_above_changes_nothing() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .buffer(8)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(client());
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
        .service(client());
    stack(&origin, &seen, service).await.one_call().await;
}
