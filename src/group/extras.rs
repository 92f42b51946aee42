//! What few callers have.

use std::sync::Arc;

use super::{profile::Profile, shard::Shard};
use crate::{
    Reason, Role,
    context::Scope,
    observe::{Observers, Watch},
    rare::Rare,
};

/// What few callers have.
pub(super) struct Extras<K, T> {
    /// `Some` if made by `spawn`: what it runs alone runs to its end too, as a flight of this shard.
    pub(super) spawned: Rare<Spawned<K, T>>,
    /// `Some` if the group is observed, and not by a layer that watches its callers itself; `None` once the call has ended.
    watch: Option<Watch>,
}

/// What `spawn` needs to start work alone in a task of its own.
pub(super) struct Spawned<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) scope: Option<Scope>,
}

impl<K, T> Extras<K, T> {
    /// Of one whom no group watches.
    pub(super) const NONE: Self = Self { spawned: Rare::NONE, watch: None };

    #[inline]
    pub(super) fn new(spawned: Option<Spawned<K, T>>, observers: &Arc<Observers>) -> Self {
        let watch = if observers.any().is_some() { Some(Watch::begin(observers, None)) } else { None };
        Self { spawned: spawned.map(Box::new).into(), watch }
    }

    /// What was tried is no call: nobody has been told of it, and nobody is.
    pub(super) fn are_of_no_call(mut self) {
        if let Some(watch) = self.watch.take() {
            watch.of_no_call();
        }
    }

    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Returns what the group's observers are told, if there are any, of one that calls for the first time, and whose layer
    /// has no name for it.
    #[inline]
    pub(super) fn profile(&self) -> Option<Profile<'_>> {
        self.watch.as_ref().map(Profile::of)
    }

    /// The call comes near no flight.
    #[inline]
    pub(super) fn alone(&self, reason: Reason) {
        if let Some(watch) = &self.watch {
            watch.alone(reason, reason.name());
        }
    }

    #[cold]
    pub(super) fn released(&self, reason: Reason) {
        if let Some(watch) = &self.watch {
            watch.released(reason, reason.name());
        }
    }

    #[inline]
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

    #[cold]
    fn left(watch: Watch) {
        drop(watch);
    }
}

impl<K, T> Drop for Extras<K, T> {
    #[inline]
    fn drop(&mut self) {
        // Apart, so that where nobody watches this is one test.
        if let Some(watch) = self.watch.take() {
            Self::left(watch);
        }
    }
}
