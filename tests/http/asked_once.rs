//! `coalesce_if` is asked once of each request, whatever becomes of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use http::Method;
use tower_singleflight::{HttpSingleflightLayer, http::HttpContent};

use crate::{
    grpc::grpc,
    origin::{Bench, Keyed, Plain, RequestBody, bench, get, get_with, ok, request, status},
};

type Asked = Arc<AtomicUsize>;

/// A layer that counts what it asks.
fn counting() -> (HttpSingleflightLayer, Asked) {
    let asked = Asked::default();
    let counted = Arc::clone(&asked);
    let layer = HttpSingleflightLayer::new().coalesce_if(move |_| {
        counted.fetch_add(1, SeqCst);
        true
    });
    (layer, asked)
}

/// Makes these requests at once, has the origin give these answers, and returns how often the layer asked.
macro_rules! asked_by {
    ($bench:expr, $asked:expr, $requests:expr, $answers:expr) => {{
        let mut bench = $bench;
        let calls: Vec<_> =
            $requests.into_iter().map(|request| tokio::spawn(bench.call(request).into_inner())).collect();
        for answer in $answers {
            bench.next().await.answer(answer);
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert!(bench.group.is_empty());
        $asked.load(SeqCst)
    }};
}

fn plain() -> (Plain, Asked) {
    let (layer, asked) = counting();
    (bench(layer), asked)
}

fn keyed<C: HttpContent, B: Send + 'static>(
    with: impl FnOnce(HttpSingleflightLayer) -> HttpSingleflightLayer<C>,
) -> (Bench<C, B>, Asked) {
    let (layer, asked) = counting();
    (bench(with(layer)), asked)
}

#[tokio::test]
async fn a_leader_a_follower_and_whoever_goes_alone_are_asked_about_once() {
    let (bench, asked) = plain();
    assert_eq!(asked_by!(bench, asked, [get("/x"), get("/x")], [ok(&[], "x")]), 2);
    let (bench, asked) = plain();
    assert_eq!(asked_by!(bench, asked, [get_with("/x", &[("authorization", "ann")])], [ok(&[], "x")]), 1);
    let (bench, asked) = plain();
    assert_eq!(asked_by!(bench, asked, [request("POST", "/x", &[])], [ok(&[], "x")]), 1);
}

#[tokio::test]
async fn a_second_try_and_a_released_follower_are_not_asked_about_again() {
    let (bench, asked) = plain();
    let odd = get_with("/x", &[("referer", "odd")]);
    assert_eq!(asked_by!(bench, asked, [odd, get("/x")], [status(403, &[], "no"), ok(&[], "x")]), 2);
    let (bench, asked) = plain();
    let private = || ok(&[("cache-control", "private")], "x");
    assert_eq!(asked_by!(bench, asked, [get("/x"), get("/x")], [private(), private()]), 2);
}

#[tokio::test]
async fn content_that_is_read_for_the_key_is_asked_about_once() {
    let (bench, asked): (Keyed, _) = keyed(|layer| layer.methods([Method::POST]).content_key(64));
    let post = || request("POST", "/x", &[]).map(|_: RequestBody| RequestBody::from("content"));
    assert_eq!(asked_by!(bench, asked, [post(), post()], [ok(&[], "x")]), 2);
    let (bench, asked): (Keyed, _) = keyed(|layer| layer.grpc(["/pkg.Service/Get"]));
    let trailers = || ok(&[("grpc-status", "0")], "");
    assert_eq!(asked_by!(bench, asked, [grpc("pkg.Service/Get", &[])], [trailers()]), 1);
    let (bench, asked): (Keyed, _) = keyed(|layer| layer.grpc(["/pkg.Service/Get"]));
    assert_eq!(asked_by!(bench, asked, [grpc("pkg.Service/Set", &[])], [trailers()]), 1);
}
