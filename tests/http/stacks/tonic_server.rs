//! On a tonic server, eight channels: the layer is applied once, and each connection has a clone.
//!
//! The key function sees the head of a request, not its message: the key is in the metadata here. An error that tonic
//! knows a status for has to stay one that it knows: `.map_err(Status::from_error)`, since a status can be cloned, where
//! other stacks have `.map_err(SharedError::new)`, behind which tonic does not find it.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use reports_proto::{
    GetRequest, Report,
    reports_client::ReportsClient,
    reports_server::{Reports, ReportsServer},
};
use tokio::net::TcpListener;
use tonic::{
    Status,
    body::Body,
    client::GrpcService,
    service::Routes,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower::{
    BoxError, Layer, Service, ServiceBuilder,
    limit::{ConcurrencyLimitLayer, RateLimitLayer},
};
use tower_singleflight::{
    HttpSingleflightLayer, SharedError,
    http::{BodySource, CloneBodyLayer, HttpGroup},
};

use crate::stacks::{
    cases::{Answer, HASTY, Stack},
    hold::Hold,
    origin::{Origin, whole},
    retry::Once,
    seen::{Flights, Seen},
};

/// The service at the bottom.
struct Backend(Origin);

#[tonic::async_trait]
impl Reports for Backend {
    async fn get(&self, request: tonic::Request<GetRequest>) -> Result<tonic::Response<Report>, Status> {
        let run = self.0.run().await.ok_or_else(|| Status::unavailable("it fails"))?;
        Ok(tonic::Response::new(Report { region: request.into_inner().region, run: run as u64 }))
    }
}

/// Serves reports, with these layers round them; returns where.
pub(crate) async fn serve<L, B>(origin: &Origin, layers: L) -> Endpoint
where
    L: Layer<Routes> + Clone + Send + 'static,
    L::Service: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError> + Send, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().layer(layers).add_service(ReportsServer::new(Backend(origin.clone())));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Endpoint::from_shared(address).unwrap()
}

/// Asks with the key in the metadata.
pub(crate) async fn ask<S>(service: S, key: &'static str) -> Answer
where
    S: GrpcService<Body, Error: Into<BoxError>>,
    S::ResponseBody: http_body::Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    let mut request = tonic::Request::new(GetRequest { region: 7 });
    request.metadata_mut().insert("key", key.parse().unwrap());
    let answer = ReportsClient::new(service).get(request).await;
    let report = answer.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?.into_inner();
    assert_eq!(report.region, 7);
    Ok(whole(report.run as usize))
}

/// The key of a request, whatever its body is.
pub(crate) fn by_metadata<B>(request: &Request<B>) -> Option<String> {
    request.headers().get("key")?.to_str().ok().map(str::to_owned)
}

async fn stack<L, B>(origin: &Origin, seen: &(impl Flights + Clone + 'static), layers: L) -> Stack
where
    L: Layer<Routes> + Clone + Send + 'static,
    L::Service: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError> + Send, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let endpoint = serve(origin, layers).await;
    Stack::new(origin, seen, move |key| on_a_channel(endpoint.clone(), key))
}

async fn on_a_channel(endpoint: Endpoint, key: &'static str) -> Answer {
    ask(endpoint.connect().await.map_err(|error| error.to_string())?, key).await
}

#[tokio::test]
async fn eight_channels_are_one_call() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new().layer(seen.layer(by_metadata::<Body>)).layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.one_call().await;
}

/// A failure is a status in the answer, which all share.
#[tokio::test]
async fn a_status_reaches_all() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let layers = ServiceBuilder::new().layer(seen.layer(by_metadata::<Body>)).layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.one_failure("Unavailable: it fails").await;
}

/// The rules of HTTP kept, and the message in the key beside what the function finds.
#[tokio::test]
async fn with_the_rules_of_grpc_and_a_key_function_too() {
    #[derive(Clone, Default)]
    struct Middle {
        group: HttpGroup,
        asked: Arc<AtomicUsize>,
        outcomes: Arc<AtomicUsize>,
    }
    impl Flights for Middle {
        /// Whoever was asked for a key has joined by the time that anybody else is polled.
        fn callers(&self, _: &str) -> usize {
            self.asked.load(SeqCst)
        }

        fn none(&self) -> bool {
            self.group.is_empty()
        }

        fn outcomes(&self) -> usize {
            self.outcomes.load(SeqCst)
        }
    }
    let (origin, middle) = (Origin::new(), Middle::default());
    let (asked, outcomes) = (Arc::clone(&middle.asked), Arc::clone(&middle.outcomes));
    let layer = HttpSingleflightLayer::new()
        .grpc(["/reports.Reports/Get"])
        .key_fn(move |parts| {
            asked.fetch_add(1, SeqCst);
            parts.headers.get("key").cloned()
        })
        .group(middle.group.clone())
        .inspect(move |_, _| {
            outcomes.fetch_add(1, SeqCst);
        });
    stack(&origin, &middle, layer).await.one_call().await;
}

#[tokio::test]
async fn a_timeout_above_is_each_callers_own() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new().layer(seen.layer(by_metadata::<Body>)).layer(CloneBodyLayer::new());
    let hasty = ServiceBuilder::new()
        .map_err(|_: BoxError| Status::deadline_exceeded("too late"))
        .timeout(HASTY)
        .layer(layers.clone());
    let hasty = on_a_channel(serve(&origin, hasty).await, "/rows");
    stack(&origin, &seen, layers).await.timeout_above(hasty, "DeadlineExceeded: too late").await;
}

#[tokio::test]
async fn a_timeout_below_is_the_flights() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(|_: BoxError| Status::deadline_exceeded("too late"))
        .layer(hold.clone())
        .timeout(HASTY);
    stack(&origin, &seen, layers).await.timeout_below(hold, "DeadlineExceeded: too late").await;
}

/// The message comes as a stream: `BodySource` makes requests that can be sent again.
#[tokio::test]
async fn retry_above_is_one_new_flight() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let layers = ServiceBuilder::new()
        .map_request(|request: Request<Body>| request.map(BodySource::new))
        .retry(Once::more())
        .layer(seen.layer(by_metadata::<BodySource<Body>>))
        .layer(CloneBodyLayer::new())
        .map_request(|request: Request<BodySource<Body>>| request.map(Body::new));
    stack(&origin, &seen, layers).await.retry_above().await;
}

#[tokio::test]
async fn retry_below_is_the_flights() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_request(|request: Request<Body>| request.map(BodySource::new))
        .retry(Once::more())
        .map_request(|request: Request<BodySource<Body>>| request.map(Body::new));
    stack(&origin, &seen, layers).await.retry_below().await;
}

#[tokio::test]
async fn a_limit_above_keeps_callers_from_joining() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(2))
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.limit_above().await;
}

#[tokio::test]
async fn a_limit_below_counts_flights() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .layer(ConcurrencyLimitLayer::new(1));
    stack(&origin, &seen, layers).await.limit_below().await;
}

/// tonic's own answer to its callers when load is shed.
const OVERLOADED: &str = "ResourceExhausted: Too many active requests for the connection";

#[tokio::test]
async fn load_shed_above_refuses_callers() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .load_shed()
        .layer(ConcurrencyLimitLayer::new(2))
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.shed_above(OVERLOADED).await;
}

#[tokio::test]
async fn load_shed_below_refuses_a_flight_once() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(Status::from_error)
        .layer(hold.clone())
        .load_shed()
        .layer(ConcurrencyLimitLayer::new(1));
    stack(&origin, &seen, layers).await.shed_below(hold, OVERLOADED).await;
}

#[tokio::test]
async fn a_buffer_above_changes_nothing() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .buffer::<Request<Body>>(8)
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.one_call().await;
}

/// A rate limit is not `Clone`.
#[tokio::test]
async fn a_buffer_below_is_for_services_that_are_not_clone() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(Status::from_error)
        .buffer::<Request<Body>>(8)
        .layer(RateLimitLayer::new(100, HASTY));
    stack(&origin, &seen, layers).await.one_call().await;
}

/// Why it is not `SharedError` here: the status is there, but tonic looks for the error itself.
#[test]
fn a_status_is_not_found_behind_a_shared_error() {
    let error = SharedError::new(Status::not_found("no such region"));
    assert!(error.source().is_none());
    assert!(error.downcast_ref::<Status>().is_some());
    assert!(Status::try_from_error(error.into()).is_err());
}
