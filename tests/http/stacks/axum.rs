//! On an axum `Router`, under `axum::serve`, eight connections.
//!
//! axum applies a layer once per route and connection: a group has to be given, and limits that are to count over all
//! connections have to be global.

use axum::{
    Router,
    body::Body,
    error_handling::HandleErrorLayer,
    extract::Request,
    response::IntoResponse,
    routing::{Route, get},
};
use http::{StatusCode, Version};
use tokio::net::TcpListener;
use tower::{
    BoxError, Layer, Service, ServiceBuilder,
    limit::{GlobalConcurrencyLimitLayer, RateLimitLayer},
    load_shed::LoadShedLayer,
};
use tower_http::timeout::TimeoutLayer;
use tower_singleflight::{
    SharedError, SingleflightLayer,
    http::{BodySource, CloneBodyLayer},
};

use crate::stacks::{
    cases::{Answer, HASTY, Stack, soon},
    hold::Hold,
    origin::{Origin, whole},
    retry::Once,
    seen::{Flights, Middle, Seen},
    wire,
};

/// Tells the routes apart, which one group has together.
fn by_path(request: &Request) -> Option<String> {
    Some(request.uri().path().to_owned())
}

async fn serve<L>(origin: &Origin, layers: L) -> impl Fn(&'static str) -> Asking + Send + Sync + use<L>
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request, Error: Into<std::convert::Infallible>, Future: Send> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Response: IntoResponse,
{
    let handler = {
        let origin = origin.clone();
        move |request: Request| origin.clone().answer(request)
    };
    let app = Router::new().route("/rows", get(handler.clone())).route("/other", get(handler)).layer(layers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    move |path| Box::pin(wire::ask(address, Version::HTTP_11, path))
}

type Asking = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

async fn stack<L>(origin: &Origin, seen: &(impl Flights + Clone + 'static), layers: L) -> Stack
where
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request, Error: Into<std::convert::Infallible>, Future: Send> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Response: IntoResponse,
{
    Stack::new(origin, seen, serve(origin, layers).await)
}

/// axum's answer in place of an error, which a router must not have.
async fn refuse<E: Into<BoxError>>(error: E) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.into().to_string())
}

#[tokio::test]
async fn eight_connections_are_one_call() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new().layer(seen.layer(by_path)).layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.one_call().await;
}

/// In one call of `Router::layer`: between two, a router makes bodies its own again, which are not `Clone`.
#[tokio::test]
async fn a_pair_of_layers_will_do() {
    let (origin, seen) = (Origin::new(), Seen::new());
    stack(&origin, &seen, (seen.layer(by_path), CloneBodyLayer::new())).await.one_call().await;
}

#[tokio::test]
async fn with_the_rules_of_http_and_a_key_function_too() {
    let (origin, middle) = (Origin::new(), Middle::new());
    stack(&origin, &middle, middle.layer()).await.one_call().await;
}

/// tower-http's timeout makes an answer, not an error; it needs a body that has a default.
#[tokio::test]
async fn a_timeout_above_is_each_callers_own() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new().layer(seen.layer(by_path)).layer(CloneBodyLayer::new());
    let hasty = ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, HASTY))
        .layer(layers.clone());
    let hasty = serve(&origin, hasty).await;
    stack(&origin, &seen, layers).await.timeout_above(hasty("/rows"), "408").await;
}

#[tokio::test]
async fn a_timeout_below_is_the_flights() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .layer(hold.clone())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, HASTY));
    stack(&origin, &seen, layers).await.timeout_below(hold, "408").await;
}

/// tower's timeout makes an error that is not `Clone`, and one that a router does not take.
#[tokio::test]
async fn a_timeout_below_that_is_an_error_is_shared_and_handled_above() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refuse::<SharedError>))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .timeout(HASTY);
    stack(&origin, &seen, layers).await.timeout_below(hold, "503 request timed out").await;
}

#[tokio::test]
async fn retry_above_is_one_new_flight() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let layers = ServiceBuilder::new()
        .map_request(|request: Request| request.map(BodySource::new))
        .retry(Once::more())
        .map_request(|request: http::Request<BodySource<Body>>| request.map(Body::new))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.retry_above().await;
}

#[tokio::test]
async fn retry_below_is_the_flights() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_request(|request: Request| request.map(BodySource::new))
        .retry(Once::more())
        .map_request(|request: http::Request<BodySource<Body>>| request.map(Body::new));
    stack(&origin, &seen, layers).await.retry_below().await;
}

#[tokio::test]
async fn a_limit_above_keeps_callers_from_joining() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::new(2))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.limit_above().await;
}

#[tokio::test]
async fn a_limit_below_counts_flights() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(1));
    stack(&origin, &seen, layers).await.limit_below().await;
}

#[tokio::test]
async fn load_shed_above_refuses_callers() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refuse::<BoxError>))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(2))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.shed_above("503 service overloaded").await;
}

#[tokio::test]
async fn load_shed_below_refuses_a_flight_once() {
    let (origin, seen, hold) = (Origin::new(), Seen::new(), Hold::new());
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refuse::<SharedError>))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .layer(hold.clone())
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(1));
    stack(&origin, &seen, layers).await.shed_below(hold, "503 service overloaded").await;
}

#[tokio::test]
async fn a_buffer_above_changes_nothing() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refuse::<BoxError>))
        .buffer::<Request>(8)
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new());
    stack(&origin, &seen, layers).await.one_call().await;
}

/// A rate limit is not `Clone`.
#[tokio::test]
async fn a_buffer_below_is_for_services_that_are_not_clone() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refuse::<SharedError>))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .buffer::<Request>(8)
        .layer(RateLimitLayer::new(100, HASTY));
    stack(&origin, &seen, layers).await.one_call().await;
}

/// Why the group is given: without one, each connection has its own, and nothing is shared between them.
#[tokio::test]
async fn without_a_group_each_connection_has_its_own() {
    let origin = Origin::new();
    let layers = ServiceBuilder::new().layer(SingleflightLayer::new(by_path)).layer(CloneBodyLayer::new());
    let ask = serve(&origin, layers).await;
    let callers: Vec<_> = (0..8).map(|_| tokio::spawn(ask("/rows"))).collect();
    origin.called(8).await;
    origin.let_go(8);
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(soon("an answer", caller).await.unwrap().unwrap());
    }
    answers.sort();
    assert_eq!(answers, (1..=8).map(whole).collect::<Vec<_>>());
    assert_eq!(origin.calls(), 8);
}

/// One group has all routes: the key tells them apart, and what is nested shows its handlers less than was asked for.
#[tokio::test]
async fn below_nest_the_uri_that_was_asked_for_tells_routes_apart() {
    use axum::extract::OriginalUri;
    let asked_for = |request: &Request| Some(request.extensions().get::<OriginalUri>()?.path().to_owned());
    let seen = Seen::new();
    let layers = ServiceBuilder::new().layer(seen.layer(asked_for)).layer(CloneBodyLayer::new());
    let (annual, monthly) = (Origin::new(), Origin::new());
    let [years, months] = [&annual, &monthly].map(|origin| {
        let origin = origin.clone();
        Router::new().route("/rows", get(move |request: Request| origin.answer(request))).layer(layers.clone())
    });
    let app = Router::new().nest("/years", years).nest("/months", months);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let ask = |path| tokio::spawn(wire::ask(address, Version::HTTP_11, path));
    let (year, month) = (ask("/years/rows"), ask("/months/rows"));
    annual.called(1).await;
    monthly.called(1).await;
    assert_eq!((seen.callers("/years/rows"), seen.callers("/months/rows")), (1, 1));
    annual.let_go(1);
    monthly.let_go(1);
    assert_eq!(soon("an answer", year).await.unwrap(), Ok(whole(1)));
    assert_eq!(soon("an answer", month).await.unwrap(), Ok(whole(1)));
    assert!(seen.none());
}
