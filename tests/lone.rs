//! A response that nobody shares: what the layer adds to it.
#![cfg(feature = "http")]
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    Event, HttpSingleflightLayer, Observer, Role,
    http::{HttpEvent, HttpObserver},
};

thread_local! {
    /// Of this thread alone: the harness has one of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static DATA: &[u8] = b"the same bytes";

fn origin(_: Request<Full<Bytes>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(DATA)));
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("text/plain"));
    headers.insert("cache-control", http::HeaderValue::from_static("max-age=60"));
    // Every response of the layer carries what became of it. Where there are extensions already, as with servers and
    // clients, that takes no map and no table, but a value.
    response.extensions_mut().insert(Role::Leader);
    ready(Ok(response))
}

fn request(number: usize) -> Request<Full<Bytes>> {
    let request = Request::get(format!("/reports/{number}")).header("host", "example.com").header("accept", "*/*");
    request.header("user-agent", "test/1.0").body(Full::default()).unwrap()
}

/// Returns the allocations of a hundred calls; outside any runtime, where nothing could be spawned.
fn allocations<S, B>(service: &mut S, from: usize) -> usize
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let requests: Vec<_> = (from..from + 100).map(request).collect();
    let before = ALLOCATIONS.with(Cell::get);
    for request in requests {
        let response = service.call(request).now_or_never().expect("ready at once").unwrap();
        let mut body = Box::pin(response.into_body());
        let data = body.frame().now_or_never().expect("ready at once").unwrap().unwrap().into_data().unwrap();
        assert_eq!(data.as_ptr(), DATA.as_ptr(), "the bytes themselves");
    }
    ALLOCATIONS.with(Cell::get) - before
}

/// Returns the allocations of each call over those of one without the layer. The layer is dropped, as it is no longer needed:
/// where it could make other services, requests are marked.
fn more_allocations(layer: HttpSingleflightLayer) -> f64 {
    let mut layered = layer.layer(service_fn(origin));
    drop(layer);
    // Every shard of the group allocates its table once: by then each has had a key, wherever the hasher sends them.
    for hundred in 0..100 {
        allocations(&mut layered, 100 * hundred);
    }
    let bare = allocations(&mut service_fn(origin), 10_000);
    let with = allocations(&mut layered, 20_000);
    (with - bare) as f64 / 100.0
}

#[test]
fn a_lone_response_is_passed_through_with_three_more_allocations() {
    let more = more_allocations(HttpSingleflightLayer::new());
    // The key, the work, and what became of it.
    assert!(more <= 3.0, "{more} more allocations for each response");
}

struct Nothing;

impl Observer for Nothing {
    fn on(&self, _: &Event<'_>) {}
}

impl HttpObserver for Nothing {
    fn on_http(&self, _: &HttpEvent<'_>) {}
}

#[test]
fn a_lone_response_that_is_observed_takes_one_allocation_more() {
    let unobserved = more_allocations(HttpSingleflightLayer::new());
    let observed = more_allocations(HttpSingleflightLayer::new().observe(Nothing));
    assert!(observed <= unobserved + 1.0, "{observed} more allocations for each response, and {unobserved} unobserved");
}
