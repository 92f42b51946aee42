//! Observers that come to a group whose services are there already, by another layer of it.

use std::{
    mem::take,
    sync::{
        Arc, Mutex,
        atomic::{AtomicIsize, AtomicUsize, Ordering::SeqCst},
    },
};

use http::header;
use http_body_util::BodyExt;
use tokio::task::yield_now;
use tower::Layer;
use tower_singleflight::{
    Event, HttpSingleflightLayer, Observer,
    http::{HttpEvent, HttpGroup, HttpObserver},
};

use crate::origin::{OriginBody, Plain, bench, bench_in, get, get_with, ok};

/// Adds up what it is told of bodies, and notes the rules.
#[derive(Default)]
struct Heard {
    held: AtomicIsize,
    readers: AtomicUsize,
    rules: Mutex<Vec<&'static str>>,
}

impl Observer for Heard {
    fn on(&self, _: &Event<'_>) {}
}

impl HttpObserver for Heard {
    fn on_http(&self, event: &HttpEvent<'_>) {
        match *event {
            HttpEvent::Held { bytes } => _ = self.held.fetch_add(bytes, SeqCst),
            HttpEvent::BodyEnded { readers } => _ = self.readers.fetch_add(readers, SeqCst),
            HttpEvent::Bypassed { rule, .. } | HttpEvent::Released { rule, .. } => {
                self.rules.lock().unwrap().push(rule.name());
            }
            _ => {}
        }
    }
}

fn observed() -> (HttpSingleflightLayer, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (HttpSingleflightLayer::new().observe(Arc::clone(&heard)), heard)
}

/// Lets two share a body; one reads it, which keeps it for the other, and then the other does. `between`: what happens while it is
/// kept.
async fn share(bench: &mut Plain, between: impl FnOnce()) {
    let calls = [(); 2].map(|()| bench.call(get("/x")));
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().into_body());
    }
    frames.data("rows");
    drop(frames);
    assert_eq!(bodies.remove(0).collect().await.unwrap().to_bytes(), "rows");
    between();
    assert_eq!(bodies.remove(0).collect().await.unwrap().to_bytes(), "rows");
}

/// Else a gauge of what bodies keep would be below nothing for ever.
#[tokio::test]
async fn of_a_body_that_is_shared_already_a_late_observer_is_told_nothing() {
    let (layer, first) = observed();
    let mut bench: Plain = bench(layer);
    let (late, heard) = observed();
    let group = bench.group.clone();
    let held = Arc::clone(&first);
    share(&mut bench, move || {
        assert!(held.held.load(SeqCst) > 0, "it is kept for the second");
        drop(late.group(group).layer(()));
    })
    .await;
    assert_eq!((first.held.load(SeqCst), first.readers.load(SeqCst)), (0, 2));
    assert_eq!((heard.held.load(SeqCst), heard.readers.load(SeqCst)), (0, 0));
    share(&mut bench, || ()).await;
    assert_eq!((heard.held.load(SeqCst), heard.readers.load(SeqCst)), (0, 2), "it is told of the next");
}

#[tokio::test]
async fn an_observer_is_told_of_the_bodies_of_services_that_were_there_before_it() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let (late, heard) = observed();
    drop(late.group(bench.group.clone()).layer(()));
    let kept = Arc::clone(&heard);
    share(&mut bench, move || assert!(kept.held.load(SeqCst) > 0)).await;
    assert_eq!((heard.held.load(SeqCst), heard.readers.load(SeqCst)), (0, 2));
}

/// As with other events: who is told that it was released has been told that it followed.
#[tokio::test]
async fn of_a_request_that_came_before_it_a_late_observer_is_told_no_rule() {
    let (layer, first) = observed();
    let mut bench: Plain = bench(layer);
    let [leader, mut follower] = [(); 2].map(|()| bench.call(get("/x")));
    let (late, heard) = observed();
    drop(late.group(bench.group.clone()).layer(()));
    bench.next().await.answer(ok(&[("cache-control", "private")], "mine"));
    leader.await.unwrap();
    while first.rules.lock().unwrap().is_empty() {
        assert!(follower.poll().is_pending());
        yield_now().await;
    }
    assert_eq!(take(&mut *first.rules.lock().unwrap()), ["S8CacheControl"]);
    assert_eq!(take(&mut *heard.rules.lock().unwrap()), [""; 0]);
    drop(bench.call(get_with("/x", &[("cookie", "a=b")])));
    for observer in [first, heard] {
        assert_eq!(*observer.rules.lock().unwrap(), ["S6Cookie"]);
    }
}

/// What is asked about is not observed.
#[tokio::test]
async fn to_ask_a_layer_changes_nothing_in_its_group() {
    let group = HttpGroup::new();
    let mut bench: Plain = bench_in(HttpSingleflightLayer::new(), group.clone());
    let (layer, heard) = observed();
    let layer = layer.group(group).keep_header(header::SERVER);
    let parts = get("/x").into_parts().0;
    let head = http::Response::new(()).into_parts().0;
    let _ = (layer.explain(&parts, &parts), layer.explain_response(&parts, &head), layer.key(&parts));
    share(&mut bench, || ()).await;
    drop(bench.call(get_with("/x", &[("cookie", "a=b")])));
    assert_eq!(*heard.rules.lock().unwrap(), [""; 0]);
    assert_eq!(heard.readers.load(SeqCst), 0);
}
