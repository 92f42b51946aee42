//! Timeout, Retry, ConcurrencyLimit, LoadShed and Buffer, above and below the layer: what each order means.
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

use tokio::{task::JoinSet, time::sleep};
use tower::{Service, ServiceBuilder, ServiceExt, retry::Policy, service_fn};
use tower_singleflight::{SharedError, SingleflightLayer};

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

#[tokio::main]
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
    let report = |order: &str, answered: usize, meaning: &str| {
        println!("{order:<24} {answered:>2} of 10 answered, calls {:>2}: {meaning}", calls.swap(0, SeqCst));
    };

    let service = stack().timeout(Duration::from_millis(20)).layer(layer()).service(backend(0));
    report(
        "Timeout above",
        herd(service).await,
        "each caller has its own deadline; with the last one gone the call is dropped",
    );

    let below = stack().map_err(SharedError::new).timeout(Duration::from_millis(20)).service(backend(0));
    report(
        "Timeout below",
        herd(stack().layer(layer()).service(below)).await,
        "the flight has one deadline, and all share its error",
    );

    let service = stack().retry(Once(false)).layer(layer()).service(backend(1));
    report("Retry above", herd(service).await, "ten callers try again, in one new flight");

    let service = stack().layer(layer()).retry(Once(false)).service(backend(1));
    report("Retry below", herd(service).await, "the flight tries again, the callers know nothing of it");

    let service = stack().concurrency_limit(1).layer(layer()).service(backend(0));
    report("ConcurrencyLimit above", herd(service).await, "callers queue before they can join: nothing is shared");

    let service = stack().layer(layer()).concurrency_limit(1).service(backend(0));
    report("ConcurrencyLimit below", herd(service).await, "a flight takes one permit, followers take none");

    let service = stack().load_shed().concurrency_limit(1).layer(layer()).service(backend(0));
    report("LoadShed above", herd(service).await, "callers are refused before they can join");

    let below = stack().map_err(SharedError::new).load_shed().concurrency_limit(1).service(backend(0));
    report("LoadShed below", herd(stack().layer(layer()).service(below)).await, "a flight is refused or not, for all");

    let second = Duration::from_secs(1);
    let below = stack().map_err(SharedError::new).buffer(1).rate_limit(1, second).service(backend(0));
    report("Buffer below", herd(stack().layer(layer()).service(below)).await, "for a service that is not `Clone`");
}
