//! What few callers have.

use std::sync::Arc;

use super::{profile::Profile, shard::Shard};
use crate::{
    Reason, Role,
    context::Scope,
    observe::{Observers, Watch},
    rare::Rare,
};

/// What few callers have, apart from what all have.
pub(super) struct Extras<K, T> {
    /// `Some` if made by `spawn`: what it runs alone runs to its end too, as a flight of this shard.
    pub(super) spawned: Option<Spawned<K, T>>,
    /// `Some` if the group is observed, and not by a layer that watches its callers itself; `None` once the call has ended.
    watch: Option<Watch>,
    /// `Some` as that is, of one that calls for the first time, and whose layer has no name for it.
    profile: Option<Profile<'static>>,
}

/// What `spawn` needs to start work alone in a task of its own.
pub(super) struct Spawned<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) scope: Option<Scope>,
}

impl<K, T> Extras<K, T> {
    /// `first`: how many observers are told of the call.
    pub(super) fn new(spawned: Option<Spawned<K, T>>, observers: &Arc<Observers>, first: usize) -> Rare<Self> {
        let watch = (first > 0).then(|| Watch::begin(observers, first, None));
        (spawned.is_some() || watch.is_some())
            .then(|| Box::new(Self { spawned, watch, profile: Profile::plain(first) }))
            .into()
    }

    /// Returns what the group's observers are told of the caller, if there are any.
    #[inline]
    pub(super) fn profile(extras: &Rare<Self>) -> Option<&Profile<'static>> {
        extras.as_ref().and_then(|extras| extras.profile.as_ref())
    }

    #[cold]
    pub(super) fn follows(&self) {
        if let Some(watch) = &self.watch {
            watch.follows(true);
        }
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
