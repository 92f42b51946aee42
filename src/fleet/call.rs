//! A call of a group, whose work asks a fleet before it runs.

use std::{
    fmt,
    hash::Hash,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use serde::Serialize;

use super::{
    Codec, Fleet,
    typed::{KeyedFleet, TypedFleet},
};
use crate::{
    Call, Group, Outcome,
    context::Context as CallContext,
    group::{BoxedWork, Closure, Work},
};

impl Fleet {
    /// Makes a [`Group::call`] whose work runs on one process of the fleet at a time.
    ///
    /// Callers of this process share a flight of the group as ever. The work of that flight asks the engine: if another
    /// process runs the same it waits for that, else `work` is run here. Keys are compared as `postcard` encodes them, so
    /// their type must be the same in all processes; give each kind of work a handle of its own, by
    /// [`named`](Self::named). What the codec does not encode, and what is larger than `max_message`, reaches the callers
    /// of one process only.
    ///
    /// The engine does not hear of [`Group::forget`]: a caller who comes later may still join the forgotten flight,
    /// through the engine. [`Group::call_fresh`] does not ask it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call leaves the local flight. When its last caller has left, those who wait in other processes are told,
    /// and one of them takes over.
    ///
    /// # Panics
    ///
    /// As with [`Group::call`], a panic in `Hash` or `Eq` of the key, or in its `Clone`, is raised in the caller. A
    /// panic of `work` is raised in the callers of this process; those of other processes run their own work. If the
    /// codec panics, or the value's `Clone` for other processes, the value counts as one that is not encoded.
    pub fn call<K, T, C, F, Fut>(&self, group: &Group<K, T>, key: K, codec: C, work: F) -> FleetCall<K, T, F>
    where
        K: Hash + Eq + Clone + Serialize + Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        C: Codec<T>,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let fleet = TypedFleet::new(self.clone(), Arc::new(codec)).of(key.clone(), group);
        FleetCall { call: group.run_in_context(key, FleetWork { fleet, start: work }) }
    }
}

/// A call under way whose work may run in another process; made by [`Fleet::call`], and otherwise a [`Call`].
#[must_use = "a call waits only when it is awaited, and leaves its flight when it is dropped"]
pub struct FleetCall<K, T, F> {
    call: Call<K, T, FleetWork<K, T, F>>,
}

impl<K, T, F> FleetCall<K, T, F> {
    /// Returns whether this caller's flight is the one that asks the engine, and runs its work if no other process does.
    pub fn is_leader(&self) -> bool {
        self.call.is_leader()
    }
}

impl<K, T, F, Fut> Future for FleetCall<K, T, F>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    type Output = Outcome<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        self.call.poll_outcome(cx)
    }
}

impl<K, T, F> fmt::Debug for FleetCall<K, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetCall").field("call", &self.call).finish_non_exhaustive()
    }
}

/// Work of a group that asks a fleet before it runs.
struct FleetWork<K, T, F> {
    fleet: Box<KeyedFleet<K, T>>,
    start: F,
}

impl<K, T, F, Fut> Work<T> for FleetWork<K, T, F>
where
    K: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    fn boxed(self, context: CallContext) -> BoxedWork<T> {
        self.fleet.boxed(self.start, None, context)
    }

    fn boxed_alone(self, context: CallContext) -> BoxedWork<T> {
        Closure::boxed(self.start, None, context)
    }
}
