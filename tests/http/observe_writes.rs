//! What an observer of an HTTP layer is told of requests that may change something (S21).

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use tower_singleflight::{
    Event, HttpSingleflightLayer, Observer,
    http::{HttpEvent, HttpObserver},
};

use crate::{
    grpc::grpc,
    origin::{Keyed, OriginBody, Plain, bench, get, request, status},
};

/// Writes down what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn on(&self, event: &Event<'_>) {
        if let Event::Answered { .. } | Event::Panicked { .. } | Event::Left { .. } = event {
            let name = format!("{event:?}");
            self.0.lock().unwrap().push(name.split(' ').next().unwrap().to_owned());
        }
    }
}

impl HttpObserver for Told {
    fn on_http(&self, event: &HttpEvent<'_>) {
        self.0.lock().unwrap().push(match event {
            HttpEvent::Bypassed { rule, label } => format!("{} alone by {rule}", label.unwrap_or_default()),
            HttpEvent::Fenced { label } => format!("{} fenced", label.unwrap_or_default()),
            other => format!("{other:?}"),
        });
    }
}

impl Told {
    #[track_caller]
    fn assert(&self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut *self.0.lock().unwrap()), expected);
    }
}

fn layer() -> (HttpSingleflightLayer, Arc<Told>) {
    let told = Arc::new(Told::default());
    let layer = HttpSingleflightLayer::new().label(|parts| Some(parts.uri.path().to_owned().into()));
    (layer.observe(Arc::clone(&told)), told)
}

#[tokio::test]
async fn s21_a_write_that_was_answered_or_failed_is_told_before_its_caller_has_the_answer() {
    let (layer, told) = layer();
    let mut bench: Plain = bench(layer);
    for (code, fences) in [(200, true), (303, true), (500, true), (404, false), (409, false)] {
        let call = bench.call(request("POST", "/x", &[]));
        bench.next().await.answer(status(code, &[("location", "/y")], ""));
        call.await.unwrap();
        let all = ["/x alone by S1Method", "/x fenced", "Answered"];
        told.assert(if fences { &all } else { &["/x alone by S1Method", "Answered"] });
    }
    let call = bench.call(request("DELETE", "/x", &[]));
    bench.next().await.fail("down");
    call.await.unwrap_err();
    told.assert(&["/x alone by S1Method", "/x fenced", "Answered"]);

    // It is not known what one that panics has changed; who leaves has been told of nothing.
    let call = bench.call(request("PUT", "/x", &[]));
    bench.next().await.panic();
    tokio::spawn(call.into_inner()).await.unwrap_err();
    told.assert(&["/x alone by S1Method", "/x fenced", "Panicked"]);
    drop(bench.call(request("PUT", "/x", &[])));
    assert!(bench.next().await.is_dropped());
    told.assert(&["/x alone by S1Method", "Left"]);

    // One that goes alone and changes nothing.
    for plain in [request("GET", "/x", &[("range", "bytes=0-1")]), get("/x")] {
        let call = bench.call(plain);
        bench.next().await.answer(status(200, &[], ""));
        call.await.unwrap();
    }
    told.assert(&["/x alone by S11Range", "Answered", "Answered"]);
}

#[tokio::test]
async fn s21_a_grpc_call_is_told_as_its_status_comes() {
    let (layer, told) = layer();
    let mut bench: Keyed = bench(layer.grpc(["/a.B/Read"]));
    for (code, fences) in [("0", true), ("13", true), ("5", false)] {
        let call = bench.call(grpc("a.B/Write", &[]));
        let (frames, body) = OriginBody::streamed();
        bench.next().await.answer(http::Response::new(body));
        let body = call.await.unwrap().into_body();
        let before = std::mem::take(&mut *told.0.lock().unwrap());
        assert_eq!(before.last().map(String::as_str), Some("Answered"), "{before:?}");
        frames.data("message");
        frames.trailers([("grpc-status".parse().unwrap(), code.parse().unwrap())].into_iter().collect());
        drop(frames);
        body.collect().await.unwrap();
        told.assert(if fences { &["/a.B/Write fenced"] } else { &[] });
    }
}
