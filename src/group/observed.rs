//! What can be seen of a group.

use std::sync::Arc;

use super::Group;
use crate::{
    Observer, Stats,
    observe::{Observed, Observers},
};

impl<K, T> Group<K, T> {
    /// Adds an observer, for all handles of the group.
    ///
    /// It is told of flights and calls that begin from now on. To ask it for something later, hand over an [`Arc`] of
    /// it, and keep a clone.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::{Event, Group, Observer};
    ///
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn on(&self, event: &Event<'_>) {
    ///         if let Event::Joined { flight, callers, .. } = event {
    ///             println!("{callers} callers share flight {flight}");
    ///         }
    ///     }
    /// }
    ///
    /// let group = Group::new().observed(Log);
    /// assert_eq!(group.call("report", || async { "rows" }).await.value, "rows");
    /// # }
    /// ```
    #[must_use]
    pub fn observed(self, observer: impl Observer) -> Self {
        let observed: Arc<Observed<dyn Observer>> = Observed::new(observer);
        self.inner.observers.add(&observed);
        self
    }

    /// Returns what the group has done since it was made, and what is under way.
    ///
    /// The shards are counted one after the other, so the numbers are exact at rest and a snapshot otherwise. Counting
    /// looks at every flight.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for shard in self.inner.shards.iter() {
            stats += shard.lock().stats();
        }
        stats.alone += self.inner.keyless.get();
        stats.panicked += self.inner.shards.unserved();
        stats.observers_off = self.inner.observers.off();
        stats
    }

    /// Counts a call that has no key.
    pub(super) fn count_keyless(&self) {
        self.inner.keyless.add_one();
    }

    pub(crate) fn observers(&self) -> &Arc<Observers> {
        &self.inner.observers
    }
}
