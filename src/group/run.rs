//! Ways into a group for the layers, which bring work of their own kinds.

use std::hash::Hash;

use tokio::time::Instant;

use super::{
    Group,
    call::Call,
    join::{Caller, JoinMode},
    work::Work,
};
use crate::{Reason, context::Context, observe::Watch};

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// [`call`](Self::call), for any kind of work that takes its context from the group.
    #[inline]
    pub(crate) fn run_in_context<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        let watch = Watch::begin(self.observers(), || None);
        let context = Context::of_call(self.scope.as_ref());
        self.join(key, work, context, JoinMode::JoinOrLead, Caller::default()).watched(watch)
    }

    /// [`call`](Self::call), for work that has its context already, of a caller that is watched by its layer.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn run<W: Work<T>>(&self, key: K, work: W, caller: Caller<'_>) -> Call<K, T, W> {
        self.join(key, work, Context::default(), JoinMode::JoinOrLead, caller)
    }

    /// [`call`](Self::call), for work that joins no flight: it leads one, or goes alone beside the one there is.
    #[cfg(feature = "http")]
    pub(crate) fn lead<W: Work<T>>(&self, key: K, work: W, caller: Caller<'_>) -> Call<K, T, W> {
        self.join(key, work, Context::default(), JoinMode::LeadOnly, caller)
    }

    /// [`call`](Self::call), for work of a caller that called before, and has waited since.
    #[cfg(feature = "http")]
    pub(crate) fn run_since<W: Work<T>>(&self, called: Instant, key: K, work: W, caller: Caller<'_>) -> Call<K, T, W> {
        let (shard, hash) = self.shard(&key);
        let deadline = || self.inner.limits.max_wait.and_then(|wait| called.checked_add(wait));
        Call::new(shard.join(hash, key, work, Context::default(), JoinMode::JoinOrLead, caller), deadline, None)
    }

    #[inline]
    fn join<W: Work<T>>(&self, key: K, work: W, context: Context, mode: JoinMode, caller: Caller<'_>) -> Call<K, T, W> {
        let (shard, hash) = self.shard(&key);
        Call::new(shard.join(hash, key, work, context, mode, caller), || self.deadline(), None)
    }

    /// Begins a call that has no key, and comes near no flight.
    pub(crate) fn call_without_key(&self) -> Option<Watch> {
        self.inner.keyless.add_one();
        let watch = Watch::begin(self.observers(), || None)?;
        watch.alone(Reason::NoKey, Reason::NoKey.name());
        Some(watch)
    }

    /// Returns until when a follower that joins now waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.inner.limits.max_wait.and_then(|wait| Instant::now().checked_add(wait))
    }
}
