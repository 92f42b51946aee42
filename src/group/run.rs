//! Ways into a group for the layers, which bring work of their own kinds.

use std::hash::Hash;

use tokio::time::Instant;

use super::{Group, call::Call, join::JoinMode, work::Work};
use crate::context::Context;

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// [`call`](Self::call), for any kind of work that takes its context from the group.
    #[inline]
    pub(crate) fn run_in_context<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        self.join(key, work, Context::of_call(self.scope.as_ref()), JoinMode::JoinOrLead)
    }

    /// [`call`](Self::call), for work that has its context already.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn run<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        self.join(key, work, Context::default(), JoinMode::JoinOrLead)
    }

    /// [`call`](Self::call), for work that joins no flight: it leads one, or goes alone beside the one there is.
    #[cfg(feature = "http")]
    pub(crate) fn lead<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        self.join(key, work, Context::default(), JoinMode::LeadOnly)
    }

    /// [`call`](Self::call), for work of a caller that called before, and has waited since.
    #[cfg(feature = "http")]
    pub(crate) fn run_since<W: Work<T>>(&self, called: Instant, key: K, work: W) -> Call<K, T, W> {
        let (shard, hash) = self.shard(&key);
        let deadline = || self.inner.limits.max_wait.and_then(|wait| called.checked_add(wait));
        Call::new(shard.join(hash, key, work, Context::default(), JoinMode::JoinOrLead), deadline, None)
    }

    #[inline]
    fn join<W: Work<T>>(&self, key: K, work: W, context: Context, mode: JoinMode) -> Call<K, T, W> {
        let (shard, hash) = self.shard(&key);
        Call::new(shard.join(hash, key, work, context, mode), || self.deadline(), None)
    }

    /// Returns until when a follower that joins now waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.inner.limits.max_wait.and_then(|wait| Instant::now().checked_add(wait))
    }
}
