//! Ways into a group for the layers, which bring work of their own kinds.

use std::hash::Hash;

use super::{Group, call::Call, caller::Caller, join::NewCaller, join_mode::JoinMode, watching::Watching, work::Work};
use crate::{Reason, context::Context, sync::Spawner};

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// [`call`](Self::call), for any kind of work that takes its context from the group.
    #[inline]
    pub(crate) fn run_in_context<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        let watching = self.watching();
        let context = Context::of_call(self.scope.as_ref());
        let (shard, hash) = self.shard(&key);
        Call::new(Caller::join(shard, NewCaller { hash, key, work, context, mode: JoinMode::JOIN_OR_LEAD }, watching))
    }

    /// [`call_fresh`](Self::call_fresh), for the same kinds of work.
    pub(crate) fn run_fresh_in_context<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        let watching = self.watching();
        let context = Context::of_call(self.scope.as_ref());
        let (shard, hash) = self.shard(&key);
        let mode = JoinMode::fresh(self.inner.limits.max_wait);
        Call::new(Caller::join(shard, NewCaller { hash, key, work, context, mode }, watching))
    }

    /// [`spawn`](Self::spawn), in one of its modes.
    #[track_caller]
    pub(super) fn run_spawned<W: Work<T>>(&self, key: K, work: W, mode: JoinMode) -> Call<K, T, W> {
        let Some(spawner) = Spawner::current() else {
            panic!("`Group::spawn` starts a task: call it from within a tokio runtime");
        };
        let (shard, hash) = self.shard(&key);
        let context = Context::of_call(self.scope.as_ref());
        let watching = self.watching();
        let mode = mode.spawned(spawner);
        let mut caller = Caller::join(shard, NewCaller { hash, key, work, context, mode }, watching);
        caller.spawn_unstarted(shard, self.scope.as_ref());
        Call::new(caller.spawned(self.scope.as_ref()))
    }

    #[inline]
    pub(super) fn watching(&self) -> Watching {
        Watching::by(self.observers())
    }

    /// Runs work that has no key, and comes near no flight.
    pub(crate) fn run_without_key<W: Work<T>>(&self, work: W) -> Call<K, T, W> {
        self.count_keyless();
        let watching = self.watching();
        watching.alone(Reason::NoKey);
        Call::new(Caller::alone(work, Reason::NoKey, watching))
    }

    /// Runs work that is no call of the group's: nothing is counted, and nobody is told.
    pub(crate) fn run_beside<W: Work<T>>(work: W) -> Call<K, T, W> {
        Call::new(Caller::alone(work, Reason::NoKey, Watching::NONE))
    }
}
