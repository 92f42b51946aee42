//! Requests through the HTTP layer, and without it.

use std::{
    convert::Infallible,
    fmt::Debug,
    future::{Ready, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service};
use tower_singleflight::HttpSingleflightLayer;

type Ask = Request<Full<Bytes>>;

/// The fields of a link that was followed in Chromium.
const BROWSER: [(&str, &str); 14] = [
    ("connection", "keep-alive"),
    ("sec-ch-ua", "\"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("upgrade-insecure-requests", "1"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("referer", "http://example.com/start"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
];

#[derive(Clone)]
struct Origin;

impl Service<Ask> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Ask) -> Self::Future {
        let mut response = Response::new(Full::new(Bytes::from_static(b"an item")));
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
        ready(Ok(response))
    }
}

fn request(method: &str, fields: &[(&str, &str)]) -> Ask {
    let request = Request::builder().method(method).uri("/items/7").header("host", "example.com");
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::default()).expect("a request")
}

pub(super) fn lone() -> Ask {
    request("GET", &[("accept", "*/*"), ("user-agent", "bench")])
}

/// A router has put something into the extensions.
pub(super) fn on_a_router() -> Ask {
    let mut request = lone();
    request.extensions_mut().insert(7_u8);
    request
}

pub(super) fn browser() -> Ask {
    request("GET", &BROWSER)
}

pub(super) fn post() -> Ask {
    request("POST", &[("accept", "*/*"), ("user-agent", "bench")])
}

pub(super) fn authorized() -> Ask {
    request("GET", &[("accept", "*/*"), ("user-agent", "bench"), ("authorization", "Bearer ann")])
}

pub(super) fn layered(times: u64, request: fn() -> Ask) {
    let service = HttpSingleflightLayer::new().layer(Origin);
    answers(service, times, request);
}

/// Keeps the layer, as an axum router does: requests are marked for another service of it that may stand below.
pub(super) fn routed(times: u64) {
    let layer = HttpSingleflightLayer::new();
    answers(layer.layer(Origin), times, on_a_router);
}

/// Makes a service of the layer, and drops it, as axum does with each route for each connection.
pub(super) fn applied(times: u64) {
    let layer = HttpSingleflightLayer::new();
    for _ in 0..times {
        drop(black_box(layer.layer(black_box(Origin))));
    }
}

#[cfg(feature = "watched")]
pub(super) fn layered_by(layer: HttpSingleflightLayer, times: u64, request: fn() -> Ask) {
    let service = layer.layer(Origin);
    // A service that is the only one of its layer marks no requests.
    drop(layer);
    answers(service, times, request);
}

pub(super) fn bare(times: u64, request: fn() -> Ask) {
    answers(Origin, times, request);
}

/// Sends `times` requests, and reads the first frame of each answer, which is all of it.
fn answers<S, B>(mut service: S, times: u64, request: fn() -> Ask)
where
    S: Service<Ask, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Debug>,
{
    let _guard = guard_the_top();
    for _ in 0..times {
        let call = pin!(service.call(black_box(request())));
        let Poll::Ready(Ok(response)) = poll(call) else { unreachable!("the origin is ready at once") };
        let mut body = pin!(response.into_body());
        let _ = black_box(poll(pin!(body.frame())));
    }
}

/// Polls from outside the caller's loop, as a server does. Inlined into the loop, it would be another program, which
/// changes by hundreds of instructions with whatever else is there.
#[inline(never)]
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Leaves room for what a request takes, below a piece of memory that stays. Memory freed at the end of the heap lets
/// glibc tidy up all of it, for hundreds of instructions; whether that happens would depend on where the heap ends.
fn guard_the_top() -> Vec<u8> {
    let room = black_box(vec![1_u8; 48 << 10]);
    let guard = black_box(vec![1_u8; 4 << 10]);
    drop(room);
    guard
}
