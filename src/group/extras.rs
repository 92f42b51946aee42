//! What few calls have beside their part in a flight.

use std::sync::Arc;

use super::shard::Shard;
use crate::{context::Scope, observe::Watch};

/// What few calls have.
pub(super) struct Extras<K, T> {
    /// `Some` if made by `spawn`: what it runs alone runs to its end too, as a flight of this shard.
    pub(super) spawned: Option<Spawned<K, T>>,
    /// `Some` if the group is observed, and not by a layer that watches its calls itself; `None` once the call has ended.
    pub(super) watch: Option<Watch>,
}

/// What `spawn` needs to start work alone in a task of its own.
pub(super) struct Spawned<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) scope: Option<Scope>,
}

impl<K, T> Extras<K, T> {
    pub(super) fn of_spawn(spawned: Spawned<K, T>) -> Box<Self> {
        Box::new(Self { spawned: Some(spawned), watch: None })
    }
}
