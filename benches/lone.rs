//! What the HTTP layer adds to a request that nobody shares, without sockets.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_singleflight::HttpSingleflightLayer;

fn origin(_: Request<Full<Bytes>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"an item")));
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    ready(Ok(response))
}

fn request() -> Request<Full<Bytes>> {
    let request =
        Request::get("/items/7").header("host", "bench").header("accept", "*/*").header("user-agent", "bench");
    request.body(Full::default()).expect("a request")
}

fn lone(c: &mut Criterion) {
    let mut bench = c.benchmark_group("lone");
    let mut bare = service_fn(origin);
    bench.bench_function("bare", |b| {
        b.iter_batched(request, |request| black_box(bare.call(request).now_or_never()), BatchSize::SmallInput);
    });
    let mut layered = HttpSingleflightLayer::new().layer(service_fn(origin));
    bench.bench_function("layered", |b| {
        b.iter_batched(request, |request| black_box(layered.call(request).now_or_never()), BatchSize::SmallInput);
    });
    let mut bypassing = HttpSingleflightLayer::new().coalesce_if(|_| false).layer(service_fn(origin));
    bench.bench_function("switched off", |b| {
        b.iter_batched(request, |request| black_box(bypassing.call(request).now_or_never()), BatchSize::SmallInput);
    });
}

criterion_group!(benches, lone);
criterion_main!(benches);
