//! What an observer of an HTTP layer is told of each life that a request can have, and what is counted of it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use futures_util::FutureExt;
use tower_singleflight::{
    Event, HttpSingleflightLayer, Observer,
    http::{HttpEvent, HttpObserver},
};

use crate::{
    herd::{herd, texts},
    origin::{Plain, bench, get, get_with, ok, request, role, status, text},
};

/// Writes down what it is told of requests, each by its label.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    #[track_caller]
    fn assert_told(&self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut *self.0.lock().unwrap()), expected);
    }

    fn write(&self, label: &Option<&str>, event: String) {
        let label = label.map(|label| format!("{label}: ")).unwrap_or_default();
        self.0.lock().unwrap().push(label + &event);
    }
}

impl Observer for Recorder {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Led { label, again, .. } => self.write(label, if *again { "led again" } else { "led" }.to_owned()),
            Event::Joined { label, again, callers, .. } => {
                self.write(label, format!("joined{} as {callers}", if *again { " again" } else { "" }))
            }
            Event::Alone { why, label, .. } => self.write(label, format!("alone by {why}")),
            Event::Released { why, label, .. } => self.write(label, format!("released by {why}")),
            Event::Answered { role, callers, label, .. } => {
                self.write(label, format!("answered {role:?} of {callers}"))
            }
            Event::Panicked { label, .. } => self.write(label, "panicked".to_owned()),
            Event::Left { label, .. } => self.write(label, "left".to_owned()),
            _ => {}
        }
    }
}

impl HttpObserver for Recorder {
    fn on_http(&self, event: &HttpEvent<'_>) {
        match event {
            HttpEvent::Bypassed { rule, label } => self.write(label, format!("rule {rule}")),
            HttpEvent::Released { rule, label } => self.write(label, format!("released, rule {rule}")),
            _ => {}
        }
    }
}

/// A layer that is observed; requests are called what their `x-label` says.
fn observed(layer: HttpSingleflightLayer) -> (Plain, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let layer = layer.observe(Arc::clone(&recorder)).label(|parts| {
        let label = parts.headers.get("x-label")?.to_str().ok()?;
        Some(label.to_owned().into())
    });
    (bench(layer), recorder)
}

#[tokio::test]
async fn a_herd_of_one_label() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    let calls = [(); 2].map(|()| bench.call(get_with("/x", &[("x-label", "a")])));
    recorder.assert_told(&["a: led", "a: joined as 2"]);
    bench.next().await.answer(ok(&[], "rows"));
    for call in calls {
        assert_eq!(text(call.await.unwrap()).await, "rows");
    }
    recorder.assert_told(&["a: answered Leader of 2", "a: answered Follower of 2"]);
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone, stats.saved()), (1, 1, 0, 1));
    assert_eq!((stats.in_flight, stats.callers, stats.waiting), (0, 0, 0));
}

#[tokio::test]
async fn what_a_rule_sends_alone_is_told_with_the_rule() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    for (request, rule) in [
        (request("POST", "/x", &[]), "S1Method"),
        (get_with("/x", &[("authorization", "Bearer ann")]), "S5Authorization"),
        (get_with("/x", &[("cookie", "session=1")]), "S6Cookie"),
        (get_with("/x", &[("range", "bytes=0-1")]), "S11Range"),
    ] {
        let call = bench.call(request);
        bench.next().await.answer(ok(&[], "x"));
        assert_eq!(text(call.await.unwrap()).await, "x");
        let told = [format!("alone by {rule}"), format!("rule {rule}"), "answered Alone(NoKey) of 1".to_owned()];
        recorder.assert_told(&told.each_ref().map(String::as_str));
    }
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone, stats.calls()), (0, 0, 4, 4));
}

#[tokio::test]
async fn s13_a_reload_that_may_not_join_is_told_with_its_rule() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new().reload_alone());
    let first = bench.call(get("/x"));
    let reload = bench.call(get_with("/x", &[("cache-control", "no-cache")]));
    recorder.assert_told(&["led", "alone by S13Reload", "rule S13Reload"]);
    for _ in 0..2 {
        bench.next().await.answer(ok(&[], "x"));
    }
    assert_eq!(text(first.await.unwrap()).await, "x");
    assert_eq!(text(reload.await.unwrap()).await, "x");
    recorder.assert_told(&["answered Leader of 1", "answered Alone(MayNotJoin) of 1"]);
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.alone, stats.calls()), (1, 1, 2));
}

#[tokio::test]
async fn followers_of_a_private_answer_are_released_and_counted_once() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    let tasks = herd(&mut bench, 3);
    recorder.assert_told(&["led", "joined as 2", "joined as 3"]);
    bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    assert_eq!(texts(tasks).await, ["x", "x", "x"]);
    let released = ["released by S8CacheControl", "released, rule S8CacheControl"];
    let told =
        [&["answered Leader of 1"][..], &released, &released, &["answered Alone(NotShareable) of 1"; 2]].concat();
    recorder.assert_told(&told);
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.followed, stats.released, stats.saved()), (1, 2, 2, 0));

    // Of late, answers to the key could not be shared (D3).
    let call = bench.call(get("/x"));
    bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    assert_eq!(text(call.await.unwrap()).await, "x");
    recorder.assert_told(&["alone by D3Remembered", "rule D3Remembered", "answered Alone(NotShareable) of 1"]);
    assert_eq!(bench.group.stats().calls(), 4);
}

#[tokio::test]
async fn s9_followers_that_regroup_are_no_new_calls() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    let referers = ["a", "b", "b"];
    let calls = referers.map(|referer| bench.call(get_with("/x", &[("referer", referer)])));
    let tasks = calls.map(|call| tokio::spawn(call.into_inner()));
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("vary", "referer")], "x"));
    }
    assert_eq!(texts(tasks.into()).await, ["x"; 3]);
    recorder.assert_told(&[
        "led",
        "joined as 2",
        "joined as 3",
        "answered Leader of 3",
        "led again",
        "joined again as 2",
        "answered Leader of 2",
        "answered Follower of 2",
    ]);
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone), (1, 2, 0));
    assert_eq!((stats.released, stats.saved()), (1, 1), "three callers, two calls");
}

#[tokio::test]
async fn d9_a_second_try_is_no_new_call() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    let tasks = herd(&mut bench, 3);
    bench.next().await.answer(status(403, &[], "no"));
    bench.next().await.answer(ok(&[], "x"));
    assert_eq!(texts(tasks).await, ["no", "x", "x"]);
    recorder.assert_told(&[
        "led",
        "joined as 2",
        "joined as 3",
        "answered Leader of 1",
        "led again",
        "joined again as 2",
        "answered Leader of 2",
        "answered Follower of 2",
    ]);
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.followed, stats.released, stats.saved()), (1, 2, 1, 1));
}

#[tokio::test]
async fn who_leaves_and_who_panics_is_told_so() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    drop(bench.call(get("/x")));
    drop(bench.call(request("POST", "/x", &[])));
    recorder.assert_told(&["led", "left", "alone by S1Method", "rule S1Method", "left"]);
    bench.settle().await;
    while bench.held.try_recv().is_ok() {}
    for request in [get("/x"), request("POST", "/x", &[])] {
        let call = bench.call(request);
        bench.next().await.panic();
        assert!(AssertUnwindSafe(call.into_inner()).catch_unwind().await.is_err());
    }
    recorder.assert_told(&["led", "panicked", "alone by S1Method", "rule S1Method", "panicked"]);
    let stats = bench.group.stats();
    assert_eq!((stats.led, stats.alone, stats.abandoned, stats.in_flight), (2, 2, 1, 0));
}

#[tokio::test]
async fn odd_labels_fail_no_request_and_are_bounded() {
    let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
    let long = "é".repeat(10_000);
    for (label, told) in
        [("", "led"), ("\u{e9}t\u{e9}", "\u{e9}t\u{e9}: led"), (&*long, &format!("{}: led", "é".repeat(64)))]
    {
        let layer = HttpSingleflightLayer::new().observe(Arc::clone(&recorder));
        let label = label.to_owned();
        let mut bench: Plain = self::bench(layer.label(move |_| Some(label.clone().into())));
        let call = bench.call(get("/x"));
        recorder.assert_told(&[told]);
        drop(call);
        recorder.0.lock().unwrap().clear();
    }
    let calls: Vec<_> = (0..1_100).map(|n| bench.call(get_with("/x", &[("x-label", &n.to_string())]))).collect();
    let labels: std::collections::HashSet<_> =
        recorder.0.lock().unwrap().iter().map(|event| event.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(labels.len(), 1_001);
    assert!(labels.contains("other"));
    drop(calls);
}

#[tokio::test]
async fn a_label_function_or_an_observer_that_panics_fails_no_request() {
    struct Panics;
    impl Observer for Panics {
        fn on(&self, _: &Event<'_>) {}
    }
    impl HttpObserver for Panics {
        fn on_http(&self, _: &HttpEvent<'_>) {
            panic!("a bug of the observer");
        }
    }
    let recorder = Arc::new(Recorder::default());
    let layer = HttpSingleflightLayer::new().observe(Panics).observe(Arc::clone(&recorder));
    let mut bench: Plain = bench(layer.label(|_| panic!("a bug of the label")));
    for _ in 0..2 {
        let call = bench.call(request("POST", "/x", &[]));
        bench.next().await.answer(ok(&[], "x"));
        let response = call.await.unwrap();
        assert!(matches!(role(&response), tower_singleflight::Role::Alone(_)));
        recorder.assert_told(&["alone by S1Method", "rule S1Method", "answered Alone(NoKey) of 1"]);
    }
    assert_eq!(bench.group.stats().observers_off, 2);
}

/// Polls what it holds when it is dropped.
struct PolledLast<F: Future>(Pin<Box<F>>);

impl<F: Future> Drop for PolledLast<F> {
    fn drop(&mut self) {
        assert!(self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

#[tokio::test]
async fn a_request_that_is_polled_while_the_thread_unwinds_has_not_panicked() {
    for method in ["GET", "POST"] {
        let (mut bench, recorder) = observed(HttpSingleflightLayer::new());
        let call = PolledLast(Box::pin(bench.call(request(method, "/", &[]))));
        let unwinds = AssertUnwindSafe(|| {
            let _call = call;
            panic!("it panics on purpose");
        });
        assert!(catch_unwind(unwinds).is_err());
        let told = recorder.0.lock().unwrap();
        assert_eq!(told.last().map(String::as_str), Some("left"), "{told:?}");
    }
}

/// Who is told of an end has been told of its beginning.
#[tokio::test]
async fn of_a_request_that_a_function_panics_about_nothing_is_told() {
    let layers = [
        HttpSingleflightLayer::new().coalesce_if(|_| panic!("a bug")),
        HttpSingleflightLayer::new().fresh_if(|_| panic!("a bug")),
        HttpSingleflightLayer::new().identity(|_| -> Option<u8> { panic!("a bug") }),
    ];
    for layer in layers {
        let (mut bench, recorder) = observed(layer);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(bench.call(get("/"))))).is_err());
        recorder.assert_told(&[]);
    }
}
