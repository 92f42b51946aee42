//! Timeout, Retry, ConcurrencyLimit, LoadShed, Buffer, RateLimit, CatchPanic and Trace, above or below the layer: what each
//! order means.
//!
//! `cargo run --example compose`

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::{task::JoinSet, time::sleep};
use tower::{Service, ServiceBuilder, ServiceExt, retry::Policy, service_fn};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};
use tower_singleflight::{HttpSingleflightLayer, SharedError, SingleflightLayer};
use tracing::Span;

/// Tries a failed call once more.
#[derive(Clone)]
struct Once(bool);

impl<Res, E> Policy<u64, Res, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<Res, E>) -> Option<Ready<()>> {
        (result.is_err() && !std::mem::replace(&mut self.0, true)).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// Sends ten callers of one key at once; returns how many were answered.
async fn herd<S>(service: S) -> usize
where
    S: Service<u64> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
{
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        callers.spawn(service.clone().oneshot(7));
    }
    callers.join_all().await.iter().filter(|answer| answer.is_ok()).count()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let calls = Arc::new(AtomicUsize::new(0));
    // Takes 50 ms; the first `failures` calls of a round fail.
    let backend = |failures: usize| {
        let counted = Arc::clone(&calls);
        service_fn(move |id: u64| {
            let call = counted.fetch_add(1, SeqCst);
            async move {
                sleep(Duration::from_millis(50)).await;
                if call < failures { Err(SharedError::new("the first call fails")) } else { Ok(id) }
            }
        })
    };
    let layer = || SingleflightLayer::new(|id: &u64| Some(*id));
    let stack = ServiceBuilder::new;
    // Says how many callers were answered, and how many calls that took.
    let report = |order: &str, answered: usize, expected: (usize, usize), meaning: &str| {
        let made = calls.swap(0, SeqCst);
        println!("{order:<24} {answered:>2} of 10 answered, calls {made:>2}: {meaning}");
        assert_eq!((answered, made), expected, "{order}");
    };

    let service = stack().timeout(Duration::from_millis(20)).layer(layer()).service(backend(0));
    let meaning = "each caller has its own deadline; with the last one gone the call is dropped";
    report("Timeout above", herd(service).await, (0, 1), meaning);

    let below = stack().map_err(SharedError::new).timeout(Duration::from_millis(20)).service(backend(0));
    let meaning = "the flight has one deadline, and all share its error";
    report("Timeout below", herd(stack().layer(layer()).service(below)).await, (0, 1), meaning);

    let service = stack().retry(Once(false)).layer(layer()).service(backend(1));
    report("Retry above", herd(service).await, (10, 2), "ten callers try again, in one new flight");

    let service = stack().layer(layer()).retry(Once(false)).service(backend(1));
    report("Retry below", herd(service).await, (10, 2), "the flight tries again, the callers know nothing of it");

    let service = stack().concurrency_limit(1).layer(layer()).service(backend(0));
    let meaning = "callers queue before they can join: nothing is shared";
    report("ConcurrencyLimit above", herd(service).await, (10, 10), meaning);

    let service = stack().layer(layer()).concurrency_limit(1).service(backend(0));
    let meaning = "a flight takes one permit, followers take none";
    report("ConcurrencyLimit below", herd(service).await, (10, 1), meaning);

    let service = stack().load_shed().concurrency_limit(1).layer(layer()).service(backend(0));
    report("LoadShed above", herd(service).await, (1, 1), "callers are refused before they can join");

    let below = stack().map_err(SharedError::new).load_shed().concurrency_limit(1).service(backend(0));
    let meaning = "a flight is refused or not, for all";
    report("LoadShed below", herd(stack().layer(layer()).service(below)).await, (10, 1), meaning);

    let below = stack().map_err(SharedError::new).buffer(1).service(backend(0));
    let meaning = "a flight takes one place; for a service that is not `Clone`";
    report("Buffer below", herd(stack().layer(layer()).service(below)).await, (10, 1), meaning);

    let minute = Duration::from_secs(60);
    let below = stack().map_err(SharedError::new).buffer(1).rate_limit(1, minute).service(backend(0));
    let meaning = "a flight counts as one call, however many callers it has";
    report("RateLimit below", herd(stack().layer(layer()).service(below)).await, (10, 1), meaning);

    // The layers of tower-http are for requests over HTTP.
    let page = |is_broken: bool| {
        let backend = backend(0);
        stack().layer(HttpSingleflightLayer::new()).service_fn(move |_: Request<Empty<Bytes>>| {
            let call = backend.clone().oneshot(7);
            async move {
                let id = call.await?;
                assert!(!is_broken, "the page is broken");
                Ok::<_, SharedError>(Response::new(Full::new(Bytes::from(format!("page {id}")))))
            }
        })
    };
    let ask = |id: u64| Request::get(format!("/pages/{id}")).body(Empty::new()).expect("a valid request");

    let service = stack().map_request(ask).layer(CatchPanicLayer::new()).service(page(true));
    let meaning = "the panic reaches each caller, and becomes a 500 of its own";
    report("CatchPanic above", herd(service).await, (10, 1), meaning);

    let spans = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&spans);
    let trace = TraceLayer::new_for_http().on_request(move |_: &Request<_>, _: &Span| {
        counted.fetch_add(1, SeqCst);
    });
    let service = stack().map_request(ask).layer(trace).service(page(false));
    report("Trace above", herd(service).await, (10, 1), "each caller has a span, and the call is in the leader's");
    assert_eq!(spans.load(SeqCst), 10);
}
