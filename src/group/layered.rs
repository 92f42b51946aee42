//! Ways into a group for the HTTP layer, which watches its callers itself, and whose work has its context already.

use std::{hash::Hash, time::Duration};

use tokio::time::Instant;

use super::{Group, caller::Caller, join::NewCaller, join_mode::JoinMode, profile::Profile, work::Work};
use crate::context::Context;

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// [`call`](Self::call).
    #[inline]
    pub(crate) fn run<W: Work<T>>(&self, key: K, work: W, profile: Option<&Profile<'_>>) -> Caller<K, T, W> {
        self.run_layered(key, work, JoinMode::JOIN_OR_LEAD, profile)
    }

    /// [`call`](Self::call), for work that joins no flight: it leads one, or goes alone beside the one there is.
    pub(crate) fn lead<W: Work<T>>(&self, key: K, work: W, profile: Option<&Profile<'_>>) -> Caller<K, T, W> {
        self.run_layered(key, work, JoinMode::LEAD_ONLY, profile)
    }

    /// [`call_fresh`](Self::call_fresh), for such work of a caller that waits so long for the run under way, and at
    /// most as long as the group's limit.
    pub(crate) fn run_fresh<W: Work<T>>(
        &self,
        key: K,
        work: W,
        wait: Duration,
        profile: Option<&Profile<'_>>,
    ) -> Caller<K, T, W> {
        let wait = self.inner.limits.max_wait.map_or(wait, |limit| limit.min(wait));
        self.run_layered(key, work, JoinMode::fresh(Some(wait)), profile)
    }

    /// [`call`](Self::call), for work of a caller that called before, and has waited since.
    pub(crate) fn run_since<W: Work<T>>(
        &self,
        called: Instant,
        key: K,
        work: W,
        profile: Option<&Profile<'_>>,
    ) -> Caller<K, T, W> {
        self.run_layered(key, work, JoinMode::since(called), profile)
    }

    #[inline]
    fn run_layered<W: Work<T>>(
        &self,
        key: K,
        work: W,
        mode: JoinMode,
        profile: Option<&Profile<'_>>,
    ) -> Caller<K, T, W> {
        let (shard, hash) = self.shard(&key);
        let context = Context::default();
        Caller::join_watched(shard, NewCaller { hash, key, work, context, mode }, profile)
    }
}
