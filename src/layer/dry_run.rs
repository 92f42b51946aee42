//! A generic layer that only tries what it would do.

use super::SingleflightLayer;
use crate::dry_run::{DryRunStats, Shadow};

impl<F, K, T> SingleflightLayer<F, K, T> {
    /// Lets the layer only try what it would do: every call goes alone, as it would without the layer. `compare` is
    /// given the leader's outcome and what each follower got instead, and says whether the one would have done for the
    /// other.
    ///
    /// [`dry_run_stats`](Self::dry_run_stats) says how many calls would have been saved, and for how many of them the
    /// key was not enough. Nobody waits, the service is ready when the wrapped one is, no flight is made, and neither [`inspect`](Self::inspect) nor an observer is told
    /// of anything. For HTTP, `HttpSingleflightLayer::dry_run` says which input the key lacks.
    ///
    /// # Panics
    ///
    /// No caller sees a panic of the key function, of `share_if`, of `compare`, or of a `Clone` or a `Drop` that the layer
    /// asks for; they are counted.
    ///
    /// # Trade-offs
    ///
    /// A leader's outcome is cloned if somebody would have followed, and so is that of a follower that ends first; at most
    /// 16 followers are compared with each leader, and there are at most 4096 flights.
    ///
    /// [`Limits`](crate::Limits) are those of the group, and fresh calls wait for the next flight as they do there. But
    /// each call runs at once, even that of a leader whose flight would have waited for its turn, and so that flight
    /// lands sooner. A leader that leaves ends its flight, where a real one goes on for its followers; `on_abandon` has
    /// no effect.
    ///
    /// # Examples
    ///
    /// See [`DryRunStats`].
    #[must_use]
    pub fn dry_run<C>(mut self, compare: C) -> Self
    where
        C: Fn(&T, &T) -> bool + Send + Sync + 'static,
    {
        self.shadow = Some(Shadow::new(compare));
        self
    }

    /// Returns what the dry run of this layer and its clones has found so far; all 0 without one.
    pub fn dry_run_stats(&self) -> DryRunStats {
        self.shadow.as_ref().map(Shadow::stats).unwrap_or_default()
    }
}
