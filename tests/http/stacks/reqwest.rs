//! Over reqwest, whose requests and responses are of its own types: below the layer the responses become those of `http`,
//! with a body that is `Clone`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use http::{Method, Response};
use reqwest::{Body, Client, Request, ResponseBuilderExt};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, limit::RateLimitLayer, service_fn};
use tower_singleflight::{SharedError, http::CloneBodyLayer};

use crate::stacks::{
    cases::{Answer, HASTY, Stack},
    hold::Hold,
    origin::Origin,
    retry::Once,
    seen::{Flights, Middle, Seen},
    wire,
};

fn by_path(request: &Request) -> Option<String> {
    (request.method() == Method::GET).then(|| request.url().path().to_owned())
}

async fn serve(origin: &Origin) -> SocketAddr {
    let origin = origin.clone();
    wire::serve(service_fn(move |request| origin.clone().answer(request))).await
}

async fn ask<S, B>(service: S, address: SocketAddr, path: &'static str) -> Answer
where
    S: Service<Request, Response = Response<B>, Error: ToString>,
    B: http_body::Body<Error: std::error::Error>,
{
    let request = Request::new(Method::GET, format!("http://{address}{path}").parse().unwrap());
    wire::read(service.oneshot(request).await.map_err(|error| error.to_string())?).await
}

async fn stack<S, B>(origin: &Origin, seen: &(impl Flights + Clone + 'static), service: S) -> Stack
where
    S: Service<Request, Response = Response<B>, Error: ToString + Send, Future: Send> + Clone + Send + Sync + 'static,
    B: http_body::Body<Data: Send, Error: std::error::Error + Send> + Send + 'static,
{
    let address = serve(origin).await;
    Stack::new(origin, seen, move |path| ask(service.clone(), address, path))
}

/// The client as all the stacks below have it: each line is one that the layer needs.
fn client() -> impl Service<Request, Response = Response<Body>, Error = SharedError, Future: Send> + Clone + Send + Sync
{
    ServiceBuilder::new().map_response(Response::<Body>::from).map_err(SharedError::new).service(Client::new())
}

#[tokio::test]
async fn eight_callers_are_one_request() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new().layer(seen.layer(by_path)).layer(CloneBodyLayer::new()).service(client());
    stack(&origin, &seen, service).await.one_call().await;
}

/// Asks a service whose responses are reqwest's own, with the URL that they are from.
async fn text<S>(service: S, address: SocketAddr, path: &'static str) -> Result<String, String>
where
    S: Service<Request, Response = reqwest::Response, Error: ToString>,
{
    let request = Request::new(Method::GET, format!("http://{address}{path}").parse().unwrap());
    let asked = request.url().clone();
    let response = service.oneshot(request).await.map_err(|error| error.to_string())?;
    assert_eq!(*response.url(), asked);
    response.text().await.map_err(|error| error.to_string())
}

/// Notes where a response of `http` is from, so that reqwest finds it there.
fn note<B>(response: &mut Response<B>, url: reqwest::Url) {
    let noted = Response::builder().url(url).body(()).unwrap();
    response.extensions_mut().extend(noted.into_parts().0.extensions);
}

/// Above the layer each caller may have reqwest's own response again.
#[tokio::test]
async fn above_the_layer_responses_are_reqwests_again() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| reqwest::Response::from(response.map(Body::wrap)))
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_response(|answer: reqwest::Response| {
            let url = answer.url().clone();
            let mut response = Response::<Body>::from(answer);
            note(&mut response, url);
            response
        })
        .map_err(SharedError::new)
        .service(Client::new());
    let address = serve(&origin).await;
    Stack::new(&origin, &seen, move |path| text(service.clone(), address, path)).one_call().await;
}

/// Where a response is from. Followers get none of the extensions of their leader's but those that are named.
#[derive(Clone)]
struct Source(reqwest::Url);

#[tokio::test]
async fn above_the_layer_that_keeps_the_rules_of_http_too() {
    let (origin, middle) = (Origin::new(), Middle::new());
    let service = ServiceBuilder::new()
        .map_response(|response: Response<_>| {
            let mut response = response.map(Body::wrap);
            let Source(url) = response.extensions_mut().remove().expect("every caller has it");
            note(&mut response, url);
            reqwest::Response::from(response)
        })
        .map_request(|request: Request| http::Request::try_from(request).unwrap())
        .layer(middle.layer().share_extension::<Source>())
        .map_err(SharedError::new)
        .filter(|request: http::Request<Body>| Request::try_from(request).map_err(BoxError::from))
        .map_response(|answer: reqwest::Response| {
            let source = Source(answer.url().clone());
            let mut response = Response::<Body>::from(answer);
            response.extensions_mut().insert(source);
            response
        })
        .service(Client::new());
    let address = serve(&origin).await;
    Stack::new(&origin, &middle, move |path| text(service.clone(), address, path)).one_call().await;
}

/// The layer that keeps the rules of HTTP takes requests of `http`: what is no request of reqwest's is an error.
#[tokio::test]
async fn with_the_rules_of_http_and_a_key_function_too() {
    let (origin, middle) = (Origin::new(), Middle::new());
    let service = ServiceBuilder::new()
        .map_request(|request: Request| http::Request::try_from(request).unwrap())
        .layer(middle.layer())
        .map_err(SharedError::new)
        .filter(|request: http::Request<Body>| Request::try_from(request).map_err(BoxError::from))
        .service(client());
    stack(&origin, &middle, service).await.one_call().await;
}

#[tokio::test]
async fn the_clients_own_timeout_is_the_flights_and_leads_to_its_error() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let address = serve(&origin).await;
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
        .map_response(Response::<Body>::from)
        .map_err(SharedError::new)
        .service(Client::builder().timeout(HASTY).build().unwrap());
    let request = || Request::new(Method::GET, format!("http://{address}/rows").parse().unwrap());
    let callers: Vec<_> = (0..8).map(|_| service.clone().call(request())).collect();
    assert_eq!(seen.callers("/rows"), 8);
    let errors: Vec<_> = futures_util::future::join_all(callers)
        .await
        .into_iter()
        .map(|answer| answer.map(|_| ()).unwrap_err())
        .collect();
    for error in &errors {
        assert!(error.ptr_eq(&errors[0]));
        assert!(error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout));
    }
    assert!(seen.none());
}

#[tokio::test]
async fn a_timeout_above_is_each_callers_own() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new().layer(seen.layer(by_path)).layer(CloneBodyLayer::new()).service(client());
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
        .service(client());
    stack(&origin, &seen, service).await.retry_above().await;
}

#[tokio::test]
async fn retry_below_is_the_flights() {
    let (origin, seen) = (Origin::failing(1), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
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
        .service(client());
    stack(&origin, &seen, service).await.limit_above().await;
}

#[tokio::test]
async fn a_limit_below_counts_flights() {
    let (origin, seen) = (Origin::new(), Seen::new());
    let service = ServiceBuilder::new()
        .layer(seen.layer(by_path))
        .layer(CloneBodyLayer::new())
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
    let service =
        ServiceBuilder::new().buffer(8).layer(seen.layer(by_path)).layer(CloneBodyLayer::new()).service(client());
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
