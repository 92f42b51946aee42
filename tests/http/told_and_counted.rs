//! What observers are told of flights and requests, and what `stats` counts of them, is the same.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{FutureExt, poll};
use http::{Request, Response};
use http_body_util::Full;
use tokio::task::{JoinSet, yield_now};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    http::{HttpEvent, HttpGroup, HttpObserver},
};

use crate::{
    origin::{bench, get, get_with, ok},
    told::Told,
};

impl HttpObserver for Told {
    fn on_http(&self, _: &HttpEvent<'_>) {}
}

fn observed() -> (HttpSingleflightLayer, Arc<Told>) {
    let told = Arc::new(Told::default());
    (HttpSingleflightLayer::new().observe(Arc::clone(&told)), told)
}

/// An error that cannot be copied; the last to have it needs no copy.
#[derive(Debug)]
struct Uncopied;

impl Clone for Uncopied {
    fn clone(&self) -> Self {
        resume_unwind(Box::new("an error that cannot be copied"))
    }
}

impl fmt::Display for Uncopied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error that cannot be copied")
    }
}

impl Error for Uncopied {}

#[tokio::test]
async fn an_error_that_panics_as_it_is_copied_is_a_panic_in_those_who_get_none() {
    let (layer, told) = observed();
    let mut service = layer.layer(service_fn(async |_: Request<Full<Bytes>>| {
        yield_now().await;
        Err::<Response<Full<Bytes>>, _>(Uncopied)
    }));
    let calls = [(); 3].map(|()| service.call(get("/x")));
    let mut failed = Vec::new();
    for call in calls {
        failed.push(AssertUnwindSafe(call).catch_unwind().await.is_err());
    }
    assert_eq!(failed, [true, true, false]);
    assert_eq!((service.group().stats().panicked, service.group().stats().saved()), (1, 1));
    told.assert_agrees(service.group().stats());
}

/// Its answer would be for its leader alone, and so it was released beside the flight before it.
#[tokio::test]
async fn s13_d3_a_flight_whose_followers_went_alone_is_not_abandoned_when_its_leader_leaves() {
    let (layer, told) = observed();
    let mut bench = bench(layer);
    let reload = || get_with("/x", &[("cache-control", "no-cache")]);
    let mut first = bench.call(get("/x"));
    assert!(first.poll().is_pending());
    let held = bench.next().await;
    let mut waiting = [(); 2].map(|()| bench.call(reload()));
    waiting.iter_mut().for_each(|call| assert!(call.poll().is_pending()));
    held.answer(ok(&[("cache-control", "private")], "mine"));
    first.await.unwrap();
    waiting.iter_mut().for_each(|call| assert!(call.poll().is_pending()));
    drop(waiting);
    assert_eq!((bench.group.stats().abandoned, bench.group.stats().released), (0, 1));
    told.assert_agrees(bench.group.stats());
}

/// Answers of all kinds, by the number of the request.
async fn answer(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let kind = request.headers().get("user-agent").and_then(|kind| kind.to_str().ok()?.parse::<u32>().ok());
    yield_now().await;
    let answer = Response::builder();
    let answer = match kind.unwrap_or_default() % 11 {
        0 => answer.header("cache-control", "private"),
        1 => answer.header("vary", "user-agent"),
        2 => answer.header("set-cookie", "a=b"),
        3 => answer.status(403),
        4 => answer.status(503),
        5 => resume_unwind(Box::new("on purpose")),
        6 => answer.header("vary", "*"),
        7 => answer.status(206),
        _ => answer,
    };
    Ok(answer.body(Full::from("rows")).unwrap())
}

/// Eight tasks on two threads, with all that may become of a request mixed in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_what_is_counted_in_a_melee() {
    const TASKS: u32 = 8;
    const CALLS: u32 = 1_500;
    let told = Arc::new(Told::default());
    let group = HttpGroup::with_limits(Limits::new().max_followers(5));
    let layer = HttpSingleflightLayer::new()
        .group(group.clone())
        .observe(Arc::clone(&told))
        .remember_unshareable(std::time::Duration::ZERO)
        .release_limit(3);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let mut service = layer.layer(service_fn(answer));
        tasks.spawn(async move {
            for number in 0..CALLS {
                let kind = (task * 7 + number * 5) % 23;
                let request = Request::get(format!("/{}", number % 3)).header("user-agent", kind.to_string());
                let request = match kind {
                    20 => request.header("cache-control", "no-cache"),
                    21 => request.header("cookie", "a=b"),
                    _ => request,
                };
                let mut call = service.call(request.body(Full::default()).unwrap());
                if number % 13 == 0 {
                    let _ = poll!(AssertUnwindSafe(&mut call).catch_unwind());
                    yield_now().await;
                } else {
                    let _ = AssertUnwindSafe(call).catch_unwind().await;
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("panics are caught");
    }
    // What callers left last may be dropped a moment later.
    while !group.is_empty() {
        yield_now().await;
    }
    assert_eq!(group.stats().calls(), u64::from(TASKS * CALLS));
    told.assert_agrees(group.stats());
}

/// Panics about what is said, and about spans that begin.
#[cfg(feature = "tracing")]
struct Broken;

#[cfg(feature = "tracing")]
impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Broken {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        resume_unwind(Box::new("a subscriber panics on purpose"));
    }

    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        resume_unwind(Box::new("a subscriber panics on purpose"));
    }
}

#[cfg(feature = "tracing")]
fn broken() -> tracing::subscriber::DefaultGuard {
    use tracing_subscriber::{Layer as _, layer::SubscriberExt};

    tracing::subscriber::set_default(tracing_subscriber::Registry::default().with(Broken.boxed()))
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn a_request_that_a_rule_sends_alone_goes_though_a_subscriber_panics_about_it() {
    let _default = broken();
    let (layer, told) = observed();
    let mut bench = bench(layer);
    let call = bench.call(get_with("/x", &[("cookie", "a=b")]));
    bench.next().await.answer(ok(&[], "x"));
    call.await.unwrap();
    assert_eq!(bench.group.stats().alone, 1);
    told.assert_agrees(bench.group.stats());
}

/// Its second flight was counted as another call.
#[cfg(feature = "tracing")]
#[tokio::test]
async fn s9_a_second_try_is_no_second_call_though_a_subscriber_panics_about_it() {
    let _default = broken();
    let (layer, told) = observed();
    let mut bench = bench(layer);
    let calls = ["a", "b", "b"].map(|value| bench.call(get_with("/x", &[("referer", value)])));
    let tasks = calls.map(|call| tokio::spawn(async { call.await.unwrap() }));
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("vary", "referer")], "x"));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((bench.group.stats().calls(), bench.group.stats().saved()), (3, 1));
    told.assert_agrees(bench.group.stats());
}
