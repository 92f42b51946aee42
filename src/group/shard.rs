//! One lock, and the flights under it.

use std::{
    num::NonZeroU64,
    ops::{Deref, DerefMut},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use super::{counter::Counter, flight_ref::FlightRef, lifecycle::Table, pace::Pace};
use crate::{
    Limits,
    observe::Observers,
    sync::{ShardMutex, ShardMutexGuard, Spawner, lock_shard},
};

/// A part of a group's keys. Padded, so that two shards never share a cache line (or an adjacent pair).
#[repr(C, align(128))]
pub(super) struct Shard<K, T> {
    table: ShardMutex<Table<K, T>>,
    /// Numbered through the process.
    pub(super) number: NonZeroU64,
    pub(super) limits: Limits,
    /// The group's.
    pub(super) observers: Arc<Observers>,
    /// The shards that its keys go to since it was split. Set under the lock, while there is no flight.
    pub(super) parts: OnceLock<Box<Parts<K, T>>>,
}

/// How many shards take the place of one: what two threads gain by more of them was not to be measured.
pub(super) const PARTS: usize = 16;

/// The shards that have taken the place of one. Each is made when the first key comes to it.
pub(super) struct Parts<K, T> {
    pub(super) parts: [OnceLock<Arc<Shard<K, T>>>; PARTS],
    pub(super) limits: Limits,
    pub(super) flights: Option<Arc<AtomicUsize>>,
    pub(super) observers: Arc<Observers>,
}

/// A shard whose lock is held. Every transition of a flight takes it by value, so that nothing is left to be run or
/// dropped while it is held (invariant 6).
pub(super) struct Locked<'a, K, T> {
    pub(super) shard: &'a Shard<K, T>,
    pub(super) table: ShardMutexGuard<'a, Table<K, T>>,
}

/// Starts a flight's task. Kept as a pointer by who may need it, since `Drop` of a caller cannot state the bounds of a
/// task.
pub(super) type Launch<K, T> = fn(Spawner, Arc<Shard<K, T>>, FlightRef);

impl<K, T> Shard<K, T> {
    /// `splits`: it may be split.
    pub(super) fn new(
        limits: Limits,
        flights: Option<Arc<AtomicUsize>>,
        observers: Arc<Observers>,
        splits: bool,
    ) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let joinable = Counter::new(flights.map(|count| (count, limits.max_flights)));
        let number = NonZeroU64::MIN.saturating_add(NUMBER.fetch_add(1, Relaxed));
        let (table, parts) = (ShardMutex::new(Table::new(joinable, Pace::new(splits))), OnceLock::new());
        Self { table, number, limits, observers, parts }
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, K, T> {
        Locked { shard: self, table: lock_shard(&self.table) }
    }
}

impl<K, T> Parts<K, T> {
    /// Returns the part that keys with this hash belong to. Apart, so that a call in a shard that has none takes less.
    #[inline(never)]
    pub(super) fn of(&self, hash: u64) -> &Arc<Shard<K, T>> {
        // The number of the shard itself is in the bits from 32 on, and the table under it uses the top and the bottom bits.
        let number = (hash >> 52) as usize % PARTS;
        self.parts[number]
            .get_or_init(|| Arc::new(Shard::new(self.limits, self.flights.clone(), Arc::clone(&self.observers), false)))
    }

    /// Returns those that a key has come to.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Shard<K, T>>> {
        self.parts.iter().filter_map(OnceLock::get)
    }
}

impl<K, T> Locked<'_, K, T> {
    /// Releases the lock, for who only looked.
    #[inline]
    pub(super) fn unlock(self) {}
}

impl<K, T> Deref for Locked<'_, K, T> {
    type Target = Table<K, T>;

    fn deref(&self) -> &Table<K, T> {
        &self.table
    }
}

impl<K, T> DerefMut for Locked<'_, K, T> {
    fn deref_mut(&mut self) -> &mut Table<K, T> {
        &mut self.table
    }
}
