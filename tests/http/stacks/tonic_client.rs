//! Over tonic's clients: round a `Channel`, where the key function sees the head of a request, and round a typed client,
//! where it sees the message.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use http::Request;
use reports_proto::{GetRequest, Report, reports_client::ReportsClient};
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceBuilder, ServiceExt, layer::util::Identity, limit::RateLimitLayer, service_fn};
use tower_singleflight::{
    SharedError,
    http::{BodySource, CloneBodyLayer},
};

use crate::stacks::{
    cases::{Answer, HASTY, Stack},
    hold::Hold,
    origin::{Origin, whole},
    retry::Once,
    seen::{Flights, Seen},
    tonic_server::{ask, by_metadata, serve},
};

async fn channel(origin: &Origin) -> Channel {
    serve(origin, Identity::new()).await.connect().await.unwrap()
}

/// A stack round a channel; a macro, since what tonic asks of a service is long.
macro_rules! stack {
    ($origin:expr, $seen:expr, $service:expr) => {{
        let service = $service;
        Stack::new($origin, $seen, move |key| ask(service.clone(), key))
    }};
}

#[tokio::test]
async fn eight_callers_are_one_call() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).one_call().await;
}

#[tokio::test]
async fn a_status_reaches_all() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).one_failure("Unavailable: it fails").await;
}

/// A dead server has the code that it has without the layer: a channel's error has its cause behind it.
#[tokio::test]
async fn a_dead_server_is_unavailable_to_all() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let channel = Endpoint::from_shared(format!("http://{gone}")).unwrap().connect_lazy();
    let alone = ask(channel.clone(), "/rows").await.unwrap_err();
    assert!(alone.starts_with("Unavailable"), "{alone}");
    let seen = Seen::new();
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel);
    let callers: Vec<_> = (0..8).map(|_| ask(service.clone(), "/rows")).collect();
    assert_eq!(futures_util::future::join_all(callers).await, vec![Err(alone); 8]);
    assert!(seen.none());
}

#[tokio::test]
async fn a_timeout_above_is_each_callers_own() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    let hasty = ServiceBuilder::new().timeout(HASTY).service(service.clone());
    stack!(&origin, &seen, service).timeout_above(ask(hasty, "/rows"), TOO_LATE).await;
}

/// What a tonic client makes of tower's timeout.
const TOO_LATE: &str = "Unknown: request timed out";

/// Whether the server has the call by then is the network's affair: calls are counted as they are sent.
#[tokio::test]
async fn a_timeout_below_is_the_flights() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .timeout(HASTY)
        .map_request(move |request| {
            counted.fetch_add(1, SeqCst);
            request
        })
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).counted_by(sent).timeout_below(hold, TOO_LATE).await;
}

#[tokio::test]
async fn retry_above_is_one_new_flight() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .map_request(|request: Request<Body>| request.map(BodySource::new))
        .retry(Once::more())
        .layer(seen.layer(by_metadata::<BodySource<Body>>))
        .layer(CloneBodyLayer::new())
        .map_request(|request: Request<BodySource<Body>>| request.map(Body::new))
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).retry_above().await;
}

#[tokio::test]
async fn retry_below_is_the_flights() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .map_request(|request: Request<Body>| request.map(BodySource::new))
        .retry(Once::more())
        .map_request(|request: Request<BodySource<Body>>| request.map(Body::new))
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).retry_below().await;
}

#[tokio::test]
async fn a_limit_above_keeps_callers_from_joining() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .concurrency_limit(2)
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).limit_above().await;
}

#[tokio::test]
async fn a_limit_below_counts_flights() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .concurrency_limit(1)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).limit_below().await;
}

/// tonic's own words for it, when it finds tower's error.
const OVERLOADED: &str = "ResourceExhausted: Too many active requests for the connection";

#[tokio::test]
async fn load_shed_above_refuses_callers() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .map_err(Status::from_error)
        .load_shed()
        .concurrency_limit(2)
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).shed_above(OVERLOADED).await;
}

#[tokio::test]
async fn load_shed_below_refuses_a_flight_once() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(Status::from_error)
        .layer(hold.clone())
        .load_shed()
        .concurrency_limit(1)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).shed_below(hold, OVERLOADED).await;
}

#[tokio::test]
async fn a_buffer_above_changes_nothing() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .buffer(8)
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).one_call().await;
}

/// A rate limit is not `Clone`.
#[tokio::test]
async fn a_buffer_below_is_for_services_that_are_not_clone() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_metadata::<Body>))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .buffer(8)
        .layer(RateLimitLayer::new(100, HASTY))
        .service(channel(&origin).await);
    stack!(&origin, &seen, service).one_call().await;
}

/// A typed client as a service: messages and statuses are `Clone`, and no body has to be.
fn typed(
    channel: Channel,
) -> impl Service<GetRequest, Response = Report, Error = Status, Future: Send> + Clone + Send + Sync + 'static {
    service_fn(move |request| {
        let mut client = ReportsClient::new(channel.clone());
        async move { client.get(request).await.map(tonic::Response::into_inner) }
    })
}

/// The message decides.
fn by_message(request: &GetRequest) -> Option<String> {
    match request.region {
        7 => Some("/rows".to_owned()),
        other => Some(other.to_string()),
    }
}

async fn ask_typed<S>(service: S) -> Answer
where
    S: Service<GetRequest, Response = Report, Error = Status>,
{
    let report = service.oneshot(GetRequest { region: 7 }).await;
    report
        .map(|report| whole(report.run as usize))
        .map_err(|status| format!("{:?}: {}", status.code(), status.message()))
}

#[tokio::test]
async fn a_typed_client_needs_no_line_beside_the_layer() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new().layer(seen.layer(by_message)).service(typed(channel(&origin).await));
    Stack::new(&origin, &seen, move |_| ask_typed(service.clone())).one_call().await;
}

#[tokio::test]
async fn retry_round_a_typed_client_is_one_new_flight_above_and_the_flights_own_below() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service =
        ServiceBuilder::new().retry(Once::more()).layer(seen.layer(by_message)).service(typed(channel(&origin).await));
    Stack::new(&origin, &seen, move |_| ask_typed(service.clone())).retry_above().await;

    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service =
        ServiceBuilder::new().layer(seen.layer(by_message)).retry(Once::more()).service(typed(channel(&origin).await));
    Stack::new(&origin, &seen, move |_| ask_typed(service.clone())).retry_below().await;
}

/// A deadline that tower sets becomes a status before it is shared.
#[tokio::test]
async fn a_timeout_below_a_typed_client_is_a_status_that_all_share() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_message))
        .map_err(|_| Status::deadline_exceeded("too late"))
        .layer(hold.clone())
        .timeout(HASTY)
        .map_request(move |request| {
            counted.fetch_add(1, SeqCst);
            request
        })
        .service(typed(channel(&origin).await));
    let stack = Stack::new(&origin, &seen, move |_| ask_typed(service.clone()));
    stack.counted_by(sent).timeout_below(hold, "DeadlineExceeded: too late").await;
}
