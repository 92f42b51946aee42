//! One lock, and the flights under it.

use std::{
    num::NonZeroU64,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use super::{
    flight_ref::FlightRef,
    lifecycle::{Counter, Flight, Table},
    shared_outcome::SharedOutcome,
};
use crate::{
    Limits,
    observe::Observers,
    sync::{ShardMutex, ShardMutexGuard, Spawner, lock_shard},
};

/// A part of a group's keys. Padded, so that two shards never share a cache line (or an adjacent pair).
#[repr(align(128))]
pub(crate) struct Shard<K, T> {
    table: ShardMutex<Table<K, T, Self>>,
    /// No other shard in the process has this number.
    pub(super) number: NonZeroU64,
    pub(super) limits: Limits,
    /// The group's.
    pub(super) observers: Arc<Observers>,
    /// The group's count of followers that got no value though their flight had landed with one, since the user's code
    /// panicked.
    pub(super) unserved: Arc<AtomicU64>,
}

/// A shard whose lock is held. Every transition of a flight takes it by value, so that nothing is left to be run or
/// dropped while it is held (invariant 6).
pub(super) struct Locked<'a, K, T> {
    pub(super) shard: &'a Shard<K, T>,
    pub(super) table: ShardMutexGuard<'a, Table<K, T, Shard<K, T>>>,
}

/// A flight of a shard. Those who wait for its outcome come back to the shard through that outcome.
pub(super) type ShardFlight<K, T> = Flight<K, T, Shard<K, T>>;

/// The outcome of such a flight.
pub(super) type ShardOutcome<K, T> = SharedOutcome<T, Shard<K, T>>;

/// Starts a flight's task. A leader keeps it as a pointer, since its `Drop` cannot state the bounds of a task.
pub(super) type Launch<K, T> = fn(Spawner, Arc<Shard<K, T>>, FlightRef);

impl<K, T> Shard<K, T> {
    pub(super) fn new(
        limits: Limits,
        flights: Option<Arc<AtomicUsize>>,
        observers: Arc<Observers>,
        unserved: Arc<AtomicU64>,
    ) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let joinable = Counter::new(flights.map(|count| (count, limits.max_flights)));
        let number = NonZeroU64::MIN.saturating_add(NUMBER.fetch_add(1, Relaxed));
        Self { table: ShardMutex::new(Table::new(joinable)), number, limits, observers, unserved }
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, K, T> {
        Locked { shard: self, table: lock_shard(&self.table) }
    }
}

impl<K, T> Locked<'_, K, T> {
    /// Releases the lock, after a look that leaves nothing to be done.
    #[inline]
    pub(super) fn unlock(self) {}
}

impl<K, T> Deref for Locked<'_, K, T> {
    type Target = Table<K, T, Shard<K, T>>;

    fn deref(&self) -> &Self::Target {
        &self.table
    }
}

impl<K, T> DerefMut for Locked<'_, K, T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.table
    }
}
