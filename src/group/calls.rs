//! What users call: each registers a caller with its work.

use std::hash::Hash;

use super::{Call, Group, caller::Caller, join::NewCaller, join_mode::JoinMode};
use crate::{Reason, Role, context::Context};

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Runs the work, or joins the flight that runs it for the key already.
    ///
    /// Go's `Do`. The caller is registered when this returns; the closure runs at the work's first poll, in whichever
    /// task polls it. A follower's own work is kept until the landing and dropped unused, unless the follower has to go
    /// alone. [`Call`] says what dropping it does.
    ///
    /// If dropping the work makes a call for its own key, that `Drop` must not block its thread until the call is
    /// answered: runs of one key never overlap, so the new work does not begin before the drop is done.
    ///
    /// # Panics
    ///
    /// A panic in `Hash` or `Eq` of the key is raised in the caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let group = tower_singleflight::Group::new();
    /// let (a, b) = tokio::join!(group.call(7, || async { "Ada" }), group.call(7, || async { "Bob" }));
    /// assert_eq!((a.value, b.value, b.callers), ("Ada", "Ada", 2));
    /// # }
    /// ```
    pub fn call<F, Fut>(&self, key: K, work: F) -> Call<K, T, F>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        self.run_in_context(key, work)
    }

    /// Starts the work at once in a task, or joins the flight for the key; it runs to its end even if every caller
    /// leaves.
    ///
    /// Go's `DoChan`. A flight joined by `spawn` runs to its end too. If you do not need the outcome, drop the call.
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
    /// drop(group.spawn(7, || async { "done" })); // goes on, and can be joined
    /// assert_eq!(group.call(7, || async { "again" }).await.value, "done");
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F, Fut>(&self, key: K, work: F) -> Call<K, T, F>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        self.run_spawned(key, work, JoinMode::JOIN_OR_LEAD)
    }

    /// Leads a flight with the work, or returns `None` if one is under way for the key: to skip instead of wait.
    ///
    /// A flight is under way from its leader's call until it has landed or its last caller has left. A flight that goes
    /// on without callers ([`spawn`](Self::spawn), [`OnAbandon::Finish`](crate::OnAbandon)) is under way, too, and so
    /// are one whose work has not begun, and the flight whose own work makes this call. Where `None` is returned, the
    /// work has been dropped unused, and no call has been counted or told to observers.
    ///
    /// A flight that [`call`](Self::call) would not find is not under way: one that was forgotten, or that is past the
    /// [`join_window`](crate::Limits::join_window). Beside such a flight this begins a new run, as `call` does. Work
    /// that was abandoned and is being dropped is not under way either: the new work begins when the drop is done.
    ///
    /// Where [`max_flights`](crate::Limits::max_flights) is reached, the call goes alone like any other, and the next
    /// one does not find it. [`Call::is_leader`] is false then. To skip in that case as well, drop the call: its work
    /// has not begun.
    ///
    /// # Panics
    ///
    /// A panic in `Hash` or `Eq` of the key is raised in the caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// A job that is due every minute, and is left out while the last run still goes on:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let group = tower_singleflight::Group::new();
    /// let due = || group.try_call("sweep", || async { "swept" });
    /// let first = due().expect("no run goes on");
    /// assert!(due().is_none());
    /// assert_eq!(first.await.value, "swept");
    /// assert!(due().is_some());
    /// # }
    /// ```
    pub fn try_call<F, Fut>(&self, key: K, work: F) -> Option<Call<K, T, F>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (shard, hash) = self.shard(&key);
        let context = Context::of_call(self.scope.as_ref());
        let watching = self.watching();
        let new = NewCaller { hash, key, work, context, mode: JoinMode::TRY_LEAD };
        let caller = Caller::join(shard, new, watching);
        // Nobody was told of a call that was not made, and nobody will be.
        (caller.role() != Role::Alone(Reason::MayNotJoin)).then(|| Call::new(caller))
    }
}
