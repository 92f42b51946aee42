//! Fresh calls: they share the next run, not the one that began before they were made.

use std::{borrow::Borrow, hash::Hash};

use super::{Group, call::Call, join_mode::JoinMode};

impl<K: Hash + Eq, T> Group<K, T> {
    /// Returns how many live callers wait for the key's next run, behind the one that is under way; 0 when none do.
    ///
    /// [`callers`](Self::callers) counts those on the flight that runs. Tests wait on it instead of sleeping.
    ///
    /// # Panics
    ///
    /// A panic in `Hash` or `Eq` of the key is raised in the caller; no flight is touched.
    pub fn waiting<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.shard(key);
        let mut locked = shard.lock();
        let next = locked.find(hash, key).and_then(|slot| locked.at(slot).next());
        next.map_or(0, |next| locked.at(next).callers)
    }
}

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Runs the work, or joins a flight for the key whose work begins after this call: while a run is under way, that
    /// is the next one.
    ///
    /// For a caller that may not have what was read before it asked: it has just written, or its user has pressed reload.
    /// At most one flight of a key runs and one waits, however many callers there are: those who come while a run is under
    /// way share the next one, which starts when that ends. [`call`](Self::call)s join the run under way as ever.
    ///
    /// # Guarantees
    ///
    /// 1. The outcome is that of work that was first polled after this call was made.
    /// 2. A fresh caller waits at most for the rest of one run, and for one whole run.
    ///
    /// # Panics
    ///
    /// A panic in `Hash` or `Eq` of the key is raised in the caller; no flight is touched.
    ///
    /// # Trade-offs
    ///
    /// The run under way moves to a task of its own, as when somebody joins it, so that those who wait for its end do
    /// not depend on its leader being polled. Outside a tokio runtime it does not move.
    ///
    /// If a run is stuck, those who wait for the next one are stuck behind it. [`max_wait`](crate::Limits::max_wait)
    /// bounds that: once the first of them has waited so long, the next run starts beside the stuck one, for all of
    /// them at once. So there is one more run for each `max_wait`, however many callers wait. None of them goes alone
    /// for that reason, and once their run has begun they wait for it as they would for a run of their own. The timer
    /// needs a tokio runtime; without one the caller goes alone. With a `max_wait` of zero nobody waits: the caller
    /// goes alone.
    ///
    /// The next run also starts beside a stuck one when that is forgotten ([`forget`](Self::forget)), and at the first
    /// call after the stuck flight's [`join_window`](crate::Limits::join_window).
    ///
    /// A flight that waits counts towards [`max_flights`](crate::Limits::max_flights); where there is no room for it, the
    /// caller goes alone. When all who wait for it leave before it has begun, its work is dropped and never runs.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering::SeqCst}};
    ///
    /// let (group, stored) = (tower_singleflight::Group::new(), Arc::new(AtomicU32::new(1)));
    /// let read = || {
    ///     let stored = Arc::clone(&stored);
    ///     move || async move {
    ///         let read = stored.load(SeqCst);
    ///         tokio::task::yield_now().await;
    ///         read
    ///     }
    /// };
    /// let write_then_read = async {
    ///     stored.store(2, SeqCst);
    ///     let (ordinary, fresh) = (group.call("row", read()), group.call_fresh("row", read()));
    ///     (ordinary.await.value, fresh.await.value)
    /// };
    /// let (before, after) = tokio::join!(group.call("row", read()), write_then_read);
    /// assert_eq!((before.value, after), (1, (1, 2)));
    /// # }
    /// ```
    pub fn call_fresh<F, Fut>(&self, key: K, work: F) -> Call<K, T, F>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        self.run_fresh_in_context(key, work)
    }

    /// Starts the work in a task, or joins a flight for the key whose work begins after this call; the flight runs to
    /// its end even if every caller leaves.
    ///
    /// [`call_fresh`](Self::call_fresh) and [`spawn`](Self::spawn) in one: to renew something in the background, after
    /// a change that a run under way may not have seen. While a run is under way, the work waits for its end.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let group = tower_singleflight::Group::new();
    /// let before = group.spawn("config", || async { "old" });
    /// tokio::task::yield_now().await; // its work has begun
    /// drop(group.spawn_fresh("config", || async { "new" }));
    /// assert_eq!(before.await.value, "old");
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_fresh<F, Fut>(&self, key: K, work: F) -> Call<K, T, F>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        self.run_spawned(key, work, JoinMode::fresh(self.inner.limits.max_wait))
    }
}
