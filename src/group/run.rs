//! Ways into a group for the layers, which bring work of their own kinds.

use std::hash::Hash;

use tokio::time::Instant;

use super::{
    Group,
    call::Call,
    caller::Caller,
    join::{JoinMode, Profile},
    work::Work,
};
use crate::{Event, Reason, context::Context};

impl<K, T> Group<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// [`call`](Self::call), for any kind of work that takes its context from the group.
    #[inline]
    pub(crate) fn run_in_context<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        if self.observers().any().is_some() {
            return self.run_observed(key, work);
        }
        Call::new(self.join(key, work, Context::of_call(self.scope.as_ref()), JoinMode::JoinOrLead, None))
    }

    /// Apart, since what is asked for observers all along the way took a call without them 20 instructions.
    #[cold]
    fn run_observed<W: Work<T>>(&self, key: K, work: W) -> Call<K, T, W> {
        let context = Context::of_call(self.scope.as_ref());
        let caller = self.join(key, work, context, JoinMode::JoinOrLead, Some(&Profile::PLAIN));
        Call::watched(caller, self.observers())
    }

    /// [`call`](Self::call), for work that has its context already, of a caller that is watched by its layer.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn run<W: Work<T>>(&self, key: K, work: W, profile: Option<&Profile<'_>>) -> Caller<K, T, W> {
        self.join(key, work, Context::default(), JoinMode::JoinOrLead, profile)
    }

    /// [`call`](Self::call), for work that joins no flight: it leads one, or goes alone beside the one there is.
    #[cfg(feature = "http")]
    pub(crate) fn lead<W: Work<T>>(&self, key: K, work: W, profile: Option<&Profile<'_>>) -> Caller<K, T, W> {
        self.join(key, work, Context::default(), JoinMode::LeadOnly, profile)
    }

    /// [`call`](Self::call), for work of a caller that called before, and has waited since.
    #[cfg(feature = "http")]
    pub(crate) fn run_since<W: Work<T>>(
        &self,
        called: Instant,
        key: K,
        work: W,
        profile: Option<&Profile<'_>>,
    ) -> Caller<K, T, W> {
        let (shard, hash) = self.shard(&key);
        let deadline = || self.inner.limits.max_wait.and_then(|wait| called.checked_add(wait));
        Caller::new(shard.join(hash, key, work, Context::default(), JoinMode::JoinOrLead, profile), deadline, None)
    }

    #[inline]
    fn join<W: Work<T>>(
        &self,
        key: K,
        work: W,
        context: Context,
        mode: JoinMode,
        profile: Option<&Profile<'_>>,
    ) -> Caller<K, T, W> {
        let (shard, hash) = self.shard(&key);
        Caller::new(shard.join(hash, key, work, context, mode, profile), || self.deadline(), None)
    }

    /// Runs work that has no key, and comes near no flight.
    pub(crate) fn run_without_key<W: Work<T>>(&self, work: W) -> Call<K, T, W> {
        self.count_keyless();
        let caller = Caller::alone(work, Reason::NoKey);
        if self.observers().any().is_none() {
            return Call::new(caller);
        }
        let (reason, why) = (Reason::NoKey, Reason::NoKey.name());
        self.observers().tell(&Event::Alone { reason, why, label: None });
        Call::watched(caller, self.observers())
    }

    /// Returns until when a follower that joins now waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.inner.limits.max_wait.and_then(|wait| Instant::now().checked_add(wait))
    }
}
