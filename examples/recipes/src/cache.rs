//! A cache above a group: it serves stale rows while one run fetches anew, and old ones where the source fails.
//!
//! The cache keeps and forgets; the group lets all callers of a key share one run.

use std::{fmt, future::ready, hash::Hash, pin::Pin, time::Duration};

use moka::{Entry, future::Cache, ops::compute::Op};
use tokio::time::{Instant, timeout};
use tower_singleflight::{Group, SharedError};

/// How old a row may be, counted from when the source was asked for it, and how long the source is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Up to this age it is served, and nobody is asked.
    pub fresh: Duration,
    /// Up to this age it is served at once, and the source is asked in the background. Callers of an older row wait.
    pub stale: Duration,
    /// Up to this age it is served where the source fails, or takes too long. It bounds what a broken source can hide.
    pub on_error: Duration,
    /// How long a caller waits for the source. The run goes on, for later callers.
    pub wait: Duration,
    /// How long the source is left alone after it has failed, where there is a row to serve.
    pub pause: Duration,
}

/// Where a row came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The cache.
    Fresh,
    /// The cache, while the source is being asked.
    Stale,
    /// The source.
    Source,
    /// The cache, since the source has failed or takes too long.
    StaleOnError,
}

/// A load under way.
type Load<V> = Pin<Box<dyn Future<Output = Result<V, SharedError>> + Send>>;

/// What is kept of a key.
#[derive(Clone)]
struct Kept<V> {
    /// `None` if a write has made it void.
    row: Option<V>,
    /// When the source was asked, or the write was done.
    since: Instant,
    /// Before this the source is not asked again.
    not_before: Instant,
}

impl<V> Kept<V> {
    fn up_to(&self, age: Duration) -> Option<&V> {
        self.row.as_ref().filter(|_| self.since.elapsed() < age)
    }
}

/// A cache in front of a source of rows.
pub struct Cached<K, V, L> {
    rows: Cache<K, Kept<V>>,
    group: Group<K, Result<V, SharedError>>,
    bounds: Bounds,
    load: L,
}

impl<K, V, L, Fut> Cached<K, V, L>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    L: Fn(K) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<V, SharedError>> + Send + 'static,
{
    /// Returns an empty cache for so many keys in front of `load`.
    pub fn new(keys: u64, bounds: Bounds, load: L) -> Self {
        // What is too old to be served in any case is not kept.
        let rows = Cache::builder().max_capacity(keys).time_to_live(bounds.on_error.max(bounds.stale)).build();
        Self { rows, group: Group::new(), bounds, load }
    }

    /// Returns the row, and where it came from.
    ///
    /// # Errors
    ///
    /// If the source fails or takes too long, and there is no row that is young enough.
    pub async fn get(&self, key: K) -> Result<(V, From), SharedError> {
        let kept = self.rows.get(&key).await;
        let paused = kept.as_ref().is_some_and(|kept| Instant::now() < kept.not_before);
        let row = |age| kept.as_ref().and_then(|kept| kept.up_to(age)).cloned();
        if let Some(row) = row(self.bounds.fresh) {
            return Ok((row, From::Fresh));
        }
        if let Some(row) = row(self.bounds.stale) {
            if !paused {
                // Joins the run that is under way, or starts one; it goes on when this caller has gone.
                drop(self.group.spawn(key.clone(), self.run(key)));
            }
            return Ok((row, From::Stale));
        }
        let old = || row(self.bounds.on_error).map(|row| (row, From::StaleOnError));
        match old().filter(|_| paused) {
            Some(old) => Ok(old),
            None => {
                // `spawn`, so that the run goes on for others when this caller has waited long enough.
                let run = self.group.spawn(key.clone(), self.run(key));
                let result = match timeout(self.bounds.wait, run).await {
                    Ok(outcome) => outcome.into_value(),
                    Err(elapsed) => Err(SharedError::new(elapsed)),
                };
                result.map(|row| (row, From::Source)).or_else(|error| old().ok_or(error))
            }
        }
    }

    /// Makes the row void, once a write is done: callers from now on see that write.
    pub async fn written(&self, key: K) {
        let since = Instant::now();
        let void = Kept { row: None, since, not_before: since };
        // Not `insert`, which a run that is about to put its row in would not see.
        self.rows.entry(key.clone()).and_compute_with(|_| ready(Op::Put(void))).await;
        // Callers from now on do not join an earlier run; the row that it finds is too old to be put in.
        self.group.forget(&key);
    }

    /// Returns how many runs are under way.
    pub fn in_flight(&self) -> usize {
        self.group.in_flight()
    }

    /// The work of a flight: looks once more, then asks the source, and keeps what it gets.
    fn run(&self, key: K) -> impl FnOnce() -> Load<V> + Send + use<K, V, L, Fut> {
        let (rows, bounds, load) = (self.rows.clone(), self.bounds, self.load.clone());
        move || {
            Box::pin(async move {
                // For a caller that missed just before a row was put in, and joined just after that run had landed.
                if let Some(row) = rows.get(&key).await.as_ref().and_then(|kept| kept.up_to(bounds.fresh)) {
                    return Ok(row.clone());
                }
                let since = Instant::now();
                let result = load(key.clone()).await;
                let found = result.clone();
                let keep = |kept: Option<Entry<K, Kept<V>>>| async move {
                    match (kept.map(Entry::into_value), found) {
                        // A row that was asked for before a write, or before another row, does not replace it.
                        (Some(kept), Ok(_)) if kept.since >= since => Op::Nop,
                        (_, Ok(row)) => Op::Put(Kept { row: Some(row), since, not_before: since }),
                        (Some(kept), Err(_)) => Op::Put(Kept { not_before: Instant::now() + bounds.pause, ..kept }),
                        (None, Err(_)) => Op::Nop,
                    }
                };
                rows.entry(key).and_compute_with(keep).await;
                result
            })
        }
    }
}

impl<K, V, L> fmt::Debug for Cached<K, V, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("group", &self.group).finish_non_exhaustive()
    }
}
