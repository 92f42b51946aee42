//! An observer or a label function that takes its time slows down the request, the flight or the body that it is told of, and
//! no other.

use std::sync::Arc;

use http::Response;
use http_body_util::BodyExt;
use tower_singleflight::{
    Event, HttpSingleflightLayer, Observer,
    http::{HttpEvent, HttpGroup, HttpObserver},
};

use crate::{
    origin::{OriginBody, Plain, bench_in, get, ok, request, text},
    stands::{Stand, stand},
};

/// Stands still at an event of a kind, which begins with `http` if it is one of HTTP.
struct Slow(&'static str, Arc<Stand>);

impl Slow {
    fn told(&self, event: &str) {
        if event.split(' ').next() == Some(self.0) {
            self.1.still();
        }
    }
}

impl Observer for Slow {
    fn on(&self, event: &Event<'_>) {
        self.told(&format!("{event:?}"));
    }
}

impl HttpObserver for Slow {
    fn on_http(&self, event: &HttpEvent<'_>) {
        self.told(&format!("http{event:?}"));
    }
}

/// Sends requests of one path, such that there is an event of each kind but `Lagged`.
async fn live(mut bench: Plain, path: &str) {
    bench.at_rest.waive();
    // Shared; and a body that one reads sooner than the other.
    let calls = [(); 2].map(|()| bench.call(get(path)));
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(Response::new(body));
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().into_body());
    }
    frames.data("rows");
    drop(frames);
    for body in bodies {
        assert_eq!(body.collect().await.unwrap().to_bytes(), "rows");
    }
    // Sent alone by a rule; left; and its origin panics.
    let post = bench.call(request("POST", path, &[]));
    bench.next().await.answer(ok(&[], "written"));
    assert_eq!(text(post.await.unwrap()).await, "written");
    let left = bench.call(get(path));
    let held = bench.next().await;
    drop(left);
    drop(held);
    let panics = bench.call(get(path));
    bench.next().await.panic();
    assert!(tokio::spawn(panics.into_inner()).await.is_err());
    // The leader's alone; the key is remembered as such.
    let tasks = [(); 2].map(|()| bench.call(get(path))).map(|call| tokio::spawn(call.into_inner()));
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "own"));
    }
    for task in tasks {
        assert_eq!(text(task.await.unwrap().unwrap()).await, "own");
    }
}

#[test]
fn what_stands_still_at_one_request_holds_up_no_request_of_another_path() {
    for at in [
        "Led",
        "Joined",
        "Moved",
        "Alone",
        "Landed",
        "Released",
        "Answered",
        "Ended",
        "Panicked",
        "Left",
        "httpBypassed",
        "httpReleased",
        "httpHeld",
        "httpBodyEnded",
        "the label function",
    ] {
        let (stand, beside) = stand();
        let slow = Arc::new(stand);
        let label = Arc::clone(&slow);
        let layer = HttpSingleflightLayer::new().observe(Slow(at, slow)).label(move |parts| {
            if at == "the label function" {
                label.still();
            }
            Some(parts.uri.path().to_owned().into())
        });
        let group = HttpGroup::new();
        let [held, others] = [(); 2].map(|()| (layer.clone(), group.clone()));
        beside.run(
            at,
            move || async move { live(bench_in(held.0, held.1), "/held").await },
            move || async move {
                for number in 0..12 {
                    live(bench_in(others.0.clone(), others.1.clone()), &format!("/{number}")).await;
                }
                assert_eq!(others.1.stats().observers_off, 0);
            },
        );
        assert!(group.is_empty());
    }
}
