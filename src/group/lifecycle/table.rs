//! The flights of one shard, and the index of those that a key leads to.

use std::{
    borrow::Borrow,
    mem::replace,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hashbrown::HashTable;

use super::flight::Flight;
use crate::group::{
    flight_ref::FlightRef,
    slots::{FIRST, Slots},
};
use crate::{End, Stats};

/// Guarded by the shard's lock. Flights stay in `flights` until they have ended and their leader is gone, also when the
/// index does not list them any more.
pub(in crate::group) struct Table<K, T, S> {
    pub(super) flights: Slots<Flight<K, T, S>>,
    /// The slots of listed flights but for the first, which is looked at itself.
    pub(super) index: HashTable<usize>,
    /// The serial number of the newest flight.
    serial: u64,
    /// Flights that are listed and can be joined.
    pub(in crate::group) joinable: Counter,
    /// Counts of what has been; what is under way is counted when it is asked for.
    pub(in crate::group) stats: Stats,
}

/// Counts joinable flights: in one shard, and in the whole group where a limit asks for it.
pub(in crate::group) struct Counter {
    here: usize,
    /// The group's count and its limit.
    group: Option<(Arc<AtomicUsize>, usize)>,
}

impl Counter {
    pub(in crate::group) const fn new(group: Option<(Arc<AtomicUsize>, usize)>) -> Self {
        Self { here: 0, group }
    }

    pub(in crate::group) fn get(&self) -> usize {
        self.here
    }

    /// Counts one more, if the limit lets it; `leaving` are about to make room.
    #[inline]
    pub(in crate::group) fn try_add(&mut self, leaving: usize) -> bool {
        if let Some((count, limit)) = &self.group {
            let more = |count: usize| (count - leaving < *limit).then_some(count + 1);
            if count.fetch_update(Relaxed, Relaxed, more).is_err() {
                return false;
            }
        }
        self.here += 1;
        true
    }

    pub(super) fn sub(&mut self, one: bool) {
        self.here -= usize::from(one);
        if let Some((count, _)) = &self.group {
            count.fetch_sub(usize::from(one), Relaxed);
        }
    }
}

impl<K, T, S> Table<K, T, S> {
    pub(in crate::group) fn new(joinable: Counter) -> Self {
        Self { flights: Slots::new(), index: HashTable::new(), serial: 0, joinable, stats: Stats::default() }
    }

    /// Returns what has been, and what is under way.
    pub(in crate::group) fn stats(&self) -> Stats {
        let mut stats = Stats { in_flight: self.joinable.get(), ..self.stats };
        for (_, flight) in self.flights.iter().filter(|(_, flight)| flight.is_running()) {
            stats.callers += flight.callers;
            stats.waiting += flight.followers();
        }
        stats
    }

    /// Returns the flight, until it has ended and its leader has taken the outcome.
    pub(in crate::group) fn get(&mut self, at: FlightRef) -> Option<&mut Flight<K, T, S>> {
        self.flights.get_mut(at.slot).filter(|flight| flight.serial == at.serial)
    }

    /// Returns the flight in a slot that is known to be in use.
    pub(in crate::group) fn at(&mut self, slot: usize) -> &mut Flight<K, T, S> {
        &mut self.flights[slot]
    }

    /// The same, with what is counted of its group.
    pub(super) fn at_counted(&mut self, slot: usize) -> (&mut Flight<K, T, S>, &mut Stats) {
        (&mut self.flights[slot], &mut self.stats)
    }

    /// Counts how a flight ends whose work has not, unless it has had an end before.
    pub(super) fn count_end(&mut self, slot: usize, how: End) {
        let (flight, stats) = self.at_counted(slot);
        let is_first = !replace(&mut flight.over, true);
        match how {
            End::Abandoned => stats.abandoned += u64::from(is_first),
            End::Lost => stats.lost += u64::from(is_first),
            End::Panicked | End::NotShareable => {}
        }
    }

    /// Puts a flight in, and lists it if it has a key, which the index has not.
    ///
    /// The counter has been raised for it.
    #[inline]
    pub(super) fn insert(&mut self, flight: impl FnOnce(u64) -> Flight<K, T, S>) -> FlightRef {
        self.serial += 1;
        let serial = self.serial;
        let slot = self.flights.insert_with(|| flight(serial));
        self.add_to_index(slot);
        FlightRef { slot, serial }
    }

    /// Gives the memory back once it is not used (invariant 12).
    #[inline]
    pub(super) fn shrink(&mut self) {
        if self.flights.shrink() {
            self.index = HashTable::new();
        }
    }

    /// Returns the slot that the index has for the key: of a joinable flight, or of a tombstone.
    #[inline(always)]
    pub(in crate::group) fn find<Q>(&self, hash: u64, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_listed = |flight: &Flight<K, T, S>| {
            flight.hash == hash && flight.key.as_ref().is_some_and(|listed| listed.borrow() == key)
        };
        if self.flights.first().is_some_and(is_listed) {
            return Some(FIRST);
        }
        if self.index.is_empty() {
            return None;
        }
        self.index.find(hash, |&slot| is_listed(&self.flights[slot])).copied()
    }

    /// Adds the joinable flights, each with a clone of its key.
    ///
    /// Beside `Eq`, `Clone` of a key is the only user code that runs under a lock (invariant 6): if keys were taken out
    /// for it, a second flight could begin beside the first (invariant 1). It changes nothing, so a panic leaves
    /// nothing half done; the clones made until then are the caller's, to be dropped once the lock is released.
    pub(in crate::group) fn clone_joinable(&self, into: &mut Vec<(FlightRef, K)>)
    where
        K: Clone,
    {
        for (slot, flight) in self.flights.iter().filter(|(_, flight)| flight.is_running()) {
            let Some(key) = &flight.key else { continue };
            into.push((FlightRef { slot, serial: flight.serial }, key.clone()));
        }
    }

    #[inline(always)]
    pub(super) fn add_to_index(&mut self, slot: usize) {
        if slot != FIRST && self.flights[slot].key.is_some() {
            self.index.insert_unique(self.flights[slot].hash, slot, |&slot| self.flights[slot].hash);
        }
    }
}
