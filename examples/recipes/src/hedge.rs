//! A hedge below the layer: a second request where the first is slow, once for each flight.
//!
//! Without the layer a herd of N that waits for a slow backend sends N requests more, to a backend that is slow already.
//! Above the layer a hedge does nothing: the second request joins the flight that it was to overtake.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{
    BoxError, Service, ServiceBuilder, ServiceExt,
    hedge::{Hedge, Policy},
    service_fn,
    util::BoxCloneSyncService,
};
use tower_singleflight::{SharedError, SingleflightLayer};

/// What is asked for: a key.
pub type Key = u64;

/// Reads may be sent twice.
#[derive(Clone, Debug)]
pub struct Reads;

impl Policy<Key> for Reads {
    fn clone_request(&self, key: &Key) -> Option<Key> {
        Some(*key)
    }

    fn can_retry(&self, _: &Key) -> bool {
        true
    }
}

/// Where the hedge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hedged {
    /// There is no layer.
    WithoutLayer,
    /// Below the layer.
    Below,
    /// Above the layer.
    Above,
}

/// How long the backend pauses: a call made meanwhile takes [`SLOW`].
const PAUSE: Duration = Duration::from_millis(20);
/// How long a call made in the pause takes.
pub const SLOW: Duration = Duration::from_secs(1);
/// How long any other call takes.
const FAST: Duration = Duration::from_millis(10);
/// What nearly all calls that the hedge has measured took, in ms: it waits so long for the first request.
const USUAL: u64 = 50;

/// What a herd went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Herd {
    /// How often the backend was called.
    pub calls: usize,
    /// How many callers have their answer.
    pub answered: usize,
    /// When the last one had it.
    pub took: Duration,
}

/// Sends so many callers of one key at a backend that has just begun to pause.
pub async fn herd(hedged: Hedged, callers: usize) -> Herd {
    let (calls, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let counted = Arc::clone(&calls);
    let backend = service_fn(move |key: Key| {
        counted.fetch_add(1, Relaxed);
        async move {
            sleep(if start.elapsed() < PAUSE { SLOW } else { FAST }).await;
            Ok::<_, Infallible>(format!("row {key}"))
        }
    });
    let service = stack(hedged, backend);
    let mut herd = JoinSet::new();
    for _ in 0..callers {
        herd.spawn(service.clone().oneshot(7));
    }
    let answered = herd.join_all().await.iter().filter(|answer| answer.is_ok()).count();
    Herd { calls: calls.load(Relaxed), answered, took: start.elapsed() }
}

/// Puts the hedge where it is to stand.
pub fn stack<S>(hedged: Hedged, backend: S) -> BoxCloneSyncService<Key, String, SharedError>
where
    S: Service<Key, Response = String> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    let layer = SingleflightLayer::new(|key: &Key| Some(*key));
    let backend = ServiceBuilder::new().map_err(SharedError::new).service(backend);
    match hedged {
        Hedged::WithoutLayer => BoxCloneSyncService::new(hedge(backend)),
        Hedged::Below => BoxCloneSyncService::new(ServiceBuilder::new().layer(layer).service(hedge(backend))),
        Hedged::Above => BoxCloneSyncService::new(hedge(ServiceBuilder::new().layer(layer).service(backend))),
    }
}

/// Sends a second request where the first takes longer than 95 % of those of the last 10 s. A hedge is not `Clone`, so
/// a buffer stands in front of it.
fn hedge<S>(inner: S) -> impl Service<Key, Response = String, Error = SharedError, Future: Send> + Clone + Send + Sync
where
    S: Service<Key, Response = String, Error = SharedError> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    // As if 20 calls had been measured: `Hedge::new` begins with none, and does nothing until there are so many.
    let hedge = Hedge::new_with_mock_latencies(inner, Reads, 20, 0.95, Duration::from_secs(10), &[USUAL; 20]);
    ServiceBuilder::new().map_err(SharedError::new).buffer(1024).service(hedge)
}
