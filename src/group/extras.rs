//! What few callers have.

use std::sync::Arc;

use super::{profile::Profile, shard::Shard};
use crate::{
    Reason, Role,
    context::Scope,
    observe::{LeaderCall, Observers, Watch},
    rare::Rare,
};

/// What few callers have, apart from what all have.
pub(super) struct Extras<K, T> {
    /// `Some` if made by `spawn`: what it runs alone runs to its end too, as a flight of this shard.
    pub(super) spawned: Option<Spawned<K, T>>,
    /// `Some` if the group is observed, and not by a layer that watches its callers itself; `None` once the call has ended.
    watch: Option<Watch>,
}

/// What `spawn` needs to start work alone in a task of its own.
pub(super) struct Spawned<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) scope: Option<Scope>,
}

impl<K, T> Extras<K, T> {
    /// `first`: how many observers are told of the call.
    pub(super) fn new(spawned: Option<Spawned<K, T>>, observers: &Arc<Observers>, first: usize) -> Rare<Self> {
        let watch = (first > 0).then(|| Watch::begin(observers, LeaderCall::new(first), None));
        (spawned.is_some() || watch.is_some()).then(|| Box::new(Self { spawned, watch })).into()
    }

    /// What was tried is no call: nobody has been told of it, and nobody is.
    pub(super) fn are_of_no_call(mut extras: Rare<Self>) {
        if let Some(watch) = extras.as_mut().and_then(|extras| extras.watch.take()) {
            watch.of_no_call();
        }
    }

    /// Returns what the group's observers are told, if there are any, of one that calls for the first time, and whose layer
    /// has no name for it.
    #[inline]
    pub(super) fn profile(extras: &Rare<Self>) -> Option<Profile<'_>> {
        extras.as_ref()?.watch.as_ref().map(Profile::of)
    }

    #[cold]
    pub(super) fn released(&self, reason: Reason) {
        if let Some(watch) = &self.watch {
            watch.released(reason, reason.name());
        }
    }

    #[cold]
    pub(super) fn answered(&mut self, role: Role, callers: usize) {
        if let Some(watch) = self.watch.take() {
            watch.answered(role, callers);
        }
    }

    #[cold]
    pub(super) fn panicked(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.panicked();
        }
    }
}
