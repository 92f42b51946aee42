//! A generic layer that only tries what it would do.

use super::SingleflightLayer;
use crate::dry_run::{DryRunStats, Sample, Shadow};

impl<F, K, T> SingleflightLayer<F, K, T> {
    /// Lets the layer only try what it would do: every call goes alone, as it would without the layer. `compare` is
    /// given the leader's outcome and what each follower got instead, and says whether the one would have done for the
    /// other.
    ///
    /// [`dry_run_stats`](Self::dry_run_stats) says how many calls would have been saved, and for how many of them the
    /// key was not enough. Nobody waits, the service is ready when the wrapped one is, no flight is made, and neither
    /// [`inspect`](Self::inspect) nor an observer is told of anything. For HTTP, `HttpSingleflightLayer::dry_run` says
    /// which input the key lacks.
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
    /// [`dry_run_sample`](Self::dry_run_sample) watches fewer calls.
    ///
    /// [`Limits`](crate::Limits) are those of the group, and fresh calls wait for the next flight as they do there. But
    /// each call runs at once, even that of a leader whose flight would have waited for its turn, and so that flight
    /// lands sooner. A leader that leaves ends its flight, where a real one goes on for its followers; `on_abandon` has
    /// no effect.
    ///
    /// The shadow is this process's own, also in a layer that is in a fleet (feature `fleet`): the engine is asked nothing,
    /// and what flights of other processes would have saved beside that is not counted.
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

    /// Watches `n` keys of every `m` in the dry run, each with all of its calls; without it all keys are watched. A hash that
    /// is keyed at random chooses them, for the life of the layer value and its clones. Of a call that is not watched
    /// nothing is kept, and [`dry_run_stats`](Self::dry_run_stats) counts it as `unwatched`.
    ///
    /// `dry_run_sample(0, m)` and `dry_run_sample(n, 0)` watch none; an `n` above `m` watches all.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use tower_singleflight::SingleflightLayer;
    ///
    /// type Rows = Result<String, Infallible>;
    ///
    /// let layer: SingleflightLayer<_, u64, Rows> =
    ///     SingleflightLayer::new(|id: &u64| Some(*id)).dry_run(|leader, follower| leader == follower);
    /// let layer = layer.dry_run_sample(1, 100);
    /// # drop(layer);
    /// ```
    #[must_use]
    pub const fn dry_run_sample(mut self, n: u32, m: u32) -> Self {
        self.sample = Sample { n, m };
        self
    }

    /// Returns what the dry run of this layer and its clones has found so far; all 0 without one.
    pub fn dry_run_stats(&self) -> DryRunStats {
        self.shadow.as_ref().map(Shadow::stats).unwrap_or_default()
    }
}
