//! What a dry run keeps in memory, however many keys come. `DRY_RUN_KEYS=1000000 cargo test --features dry-run --test
//! dry_run_memory -- --nocapture` prints it for a million.
#![cfg(feature = "dry-run")]

#[path = "memory/live.rs"]
mod live;

use std::{convert::Infallible, future::pending};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{HttpSingleflightLayer, http::DryRun};

use self::live::live;

fn request(key: u32) -> Request<Full<Bytes>> {
    let request = Request::get(format!("/reports/{key}")).header("host", "example.com").header("accept", "*/*");
    let request = request.header("accept-language", "en-US,en;q=0.9").header("accept-encoding", "gzip, deflate, br");
    request.header("user-agent", "test/1.0").body(Full::default()).unwrap()
}

/// As large as clients like to make it.
fn large_request(key: u32) -> Request<Full<Bytes>> {
    let mut request = request(key);
    *request.uri_mut() = format!("/{}/{key}", "x".repeat(6_000)).parse().unwrap();
    request.headers_mut().insert("user-agent", "x".repeat(10_000).parse().unwrap());
    request
}

type Make = fn(u32) -> Request<Full<Bytes>>;

/// Makes a call for each of these keys, all under way at once; returns the bytes that they take.
fn under_way(layer: &HttpSingleflightLayer, keys: impl ExactSizeIterator<Item = u32>, request: Make) -> isize {
    // It answers nobody, so that all calls are under way at once.
    let origin = |_: Request<Full<Bytes>>| pending::<Result<Response<Full<Bytes>>, Infallible>>();
    let mut service = layer.layer(service_fn(origin));
    let mut calls = Vec::with_capacity(keys.len());
    let before = live();
    calls.extend(keys.map(|key| service.call(request(key))));
    live() - before
}

/// Returns what the dry run takes of that: the rest is the calls', which take as much where none of them is watched.
fn kept(dry_run: DryRun, calls: u32, keys: u32, request: Make) -> (isize, HttpSingleflightLayer) {
    let layer = HttpSingleflightLayer::new().dry_run(dry_run);
    let all = |layer: &_| under_way(layer, (0..calls).map(|call| call % keys), request);
    let unwatched = all(&HttpSingleflightLayer::new().dry_run(DryRun::new().sample(0, 1)));
    (all(&layer) - unwatched, layer)
}

/// How many keys there are; a million by `DRY_RUN_KEYS`.
fn keys() -> u32 {
    std::env::var("DRY_RUN_KEYS").map_or(40_000, |keys| keys.parse().expect("DRY_RUN_KEYS is a number"))
}

/// What a request may take that is watched, in bytes, and its shadow flight with it.
const WATCHED: u64 = 2048;

/// What one may take, while it is under way, that is in the sample and has found no place.
const PLACELESS: u64 = 512;

/// One test, so that nothing else allocates meanwhile.
#[test]
fn however_many_keys_come_a_dry_run_takes_no_more_than_its_cap() {
    // The default, where there are a million keys.
    let flights = 4096.min(keys() / 200);
    let dry_run = || DryRun::new().watched(flights as usize);
    let (bytes, layer) = kept(dry_run().sample(1, 100), keys(), keys(), request);
    let placeless = layer.dry_run_report().full();
    println!("{} keys at 1 in 100, {flights} flights, the cap, and {placeless} without a place: {bytes} bytes", keys());
    assert!(placeless > 0, "more came than there is room for");
    assert!((bytes as u64) < WATCHED * u64::from(flights) + PLACELESS * placeless);

    let (bytes, layer) = kept(dry_run(), flights * 20, flights, request);
    let placeless = layer.dry_run_report().full();
    println!(
        "{flights} flights with {} requests, the cap, and {placeless} without a place: {bytes} bytes",
        flights * 16
    );
    assert_eq!(placeless, u64::from(flights) * 4);
    assert!((bytes as u64) < WATCHED * u64::from(flights) * 16 + PLACELESS * placeless);

    let flights = flights / 10;
    let (bytes, layer) = kept(DryRun::new().watched(flights as usize), flights * 20, flights, large_request);
    let placeless = layer.dry_run_report().full();
    println!("{flights} flights of large requests, the cap, and {placeless} without a place: {bytes} bytes");
    assert!((bytes as u64) < WATCHED * u64::from(flights) * 16 + PLACELESS * placeless);
}
