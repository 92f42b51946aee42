//! The flights of one shard, and the index of those that a key leads to.

use std::{
    borrow::Borrow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
};

use hashbrown::HashTable;
use tokio::time::Instant;

use super::{
    flight::Flight,
    flight_ref::FlightRef,
    slots::{FIRST, Slots},
};
use crate::Stats;

/// Guarded by the shard's lock. Flights stay in `flights` until they have ended and their leader is gone, also when the
/// index does not list them any more.
pub(super) struct Table<K, T> {
    flights: Slots<Flight<K, T>>,
    /// The slots of listed flights but for the first, which is looked at itself.
    index: HashTable<usize>,
    /// The serial number of the newest flight.
    serial: u64,
    /// Flights that are listed and can be joined.
    pub(super) joinable: Counter,
    /// What has been; what is under way is counted when it is asked for.
    pub(super) stats: Stats,
}

/// Counts joinable flights: in one shard, and in the whole group where a limit asks for it.
pub(super) struct Counter {
    here: usize,
    /// The group's count and its limit.
    group: Option<(Arc<AtomicUsize>, usize)>,
}

impl Counter {
    pub(super) const fn new(group: Option<(Arc<AtomicUsize>, usize)>) -> Self {
        Self { here: 0, group }
    }

    pub(super) fn get(&self) -> usize {
        self.here
    }

    /// Counts one more, if the limit lets it; `leaving` are about to make room.
    #[inline]
    pub(super) fn try_add(&mut self, leaving: usize) -> bool {
        if let Some((count, limit)) = &self.group {
            let more = |count: usize| (count - leaving < *limit).then_some(count + 1);
            if count.fetch_update(Relaxed, Relaxed, more).is_err() {
                return false;
            }
        }
        self.here += 1;
        true
    }

    fn sub(&mut self, one: bool) {
        self.here -= usize::from(one);
        if let Some((count, _)) = &self.group {
            count.fetch_sub(usize::from(one), Relaxed);
        }
    }
}

impl<K, T> Table<K, T> {
    pub(super) fn new(joinable: Counter) -> Self {
        Self { flights: Slots::new(), index: HashTable::new(), serial: 0, joinable, stats: Stats::default() }
    }

    /// Returns what has been, and what is under way.
    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats { in_flight: self.joinable.get(), ..self.stats };
        for (_, flight) in self.flights.iter().filter(|(_, flight)| flight.is_running()) {
            stats.callers += flight.callers;
            stats.waiting += flight.followers();
        }
        stats
    }

    /// Returns the flight, while its end is still to come, or its leader to take it.
    pub(super) fn get(&mut self, at: FlightRef) -> Option<&mut Flight<K, T>> {
        self.flights.get_mut(at.slot).filter(|flight| flight.serial == at.serial)
    }

    /// Returns the flight in a slot that is known to be in use.
    pub(super) fn at(&mut self, slot: usize) -> &mut Flight<K, T> {
        &mut self.flights[slot]
    }

    /// The same, with what is counted of its group.
    pub(super) fn at_counted(&mut self, slot: usize) -> (&mut Flight<K, T>, &mut Stats) {
        (&mut self.flights[slot], &mut self.stats)
    }

    /// Puts a flight in, and lists it if it has a key, which the index has not.
    ///
    /// The counter has been raised for it.
    #[inline]
    pub(super) fn insert(&mut self, flight: impl FnOnce(u64) -> Flight<K, T>) -> FlightRef {
        self.serial += 1;
        let serial = self.serial;
        let slot = self.flights.insert_with(|| flight(serial));
        self.add_to_index(slot);
        FlightRef { slot, serial }
    }

    /// Takes out a flight that is not listed. To be dropped once the lock is released.
    pub(super) fn remove(&mut self, slot: usize) -> Flight<K, T> {
        debug_assert!(self.flights[slot].key.is_none(), "a flight is unlisted before it is removed");
        let flight = self.flights.remove(slot);
        self.shrink();
        flight
    }

    /// Unlists and takes out a flight that ends alone: its leader has the work, and nothing else is left to be dropped but what
    /// is returned.
    #[inline(always)]
    pub(super) fn take_alone(&mut self, slot: usize) -> (Option<K>, Option<Waker>) {
        let flight = &mut self.flights[slot];
        let (key, waker) = (flight.key.take(), flight.leader_waker.take());
        debug_assert!(flight.is_hollow(), "what is left in a flight would be leaked");
        self.joinable.sub(key.is_some());
        self.remove_from_index(slot);
        self.flights.forget(slot);
        // There is nothing to give back in place of the first slot.
        if slot != FIRST {
            self.shrink();
        }
        (key, waker)
    }

    /// Gives the memory back once it is not used (invariant 12).
    #[inline]
    fn shrink(&mut self) {
        if self.flights.shrink() {
            self.index = HashTable::new();
        }
    }

    /// Returns the slot that the index has for the key: of a joinable flight, or of a tombstone.
    #[inline(always)]
    pub(super) fn find<Q>(&self, hash: u64, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_listed = |flight: &Flight<K, T>| {
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
    /// With `Eq` it is the one user code under a lock (invariant 6): keys that were taken out would let a second flight
    /// begin beside the first (invariant 1). It changes nothing, so a panic of it leaves nothing half done; the clones made
    /// until then are the caller's, to be dropped once the lock is released.
    pub(super) fn clone_joinable(&self, into: &mut Vec<(FlightRef, K)>)
    where
        K: Clone,
    {
        for (slot, flight) in self.flights.iter().filter(|(_, flight)| flight.is_running()) {
            let Some(key) = &flight.key else { continue };
            into.push((FlightRef { slot, serial: flight.serial }, key.clone()));
        }
    }

    /// Unlists a flight, if the index lists it and not a successor (invariant 4); returns its key.
    #[inline]
    pub(super) fn unlist(&mut self, slot: usize) -> Option<K> {
        let flight = &mut self.flights[slot];
        let joinable = flight.is_joinable();
        let key = flight.key.take()?;
        self.joinable.sub(joinable);
        self.remove_from_index(slot);
        Some(key)
    }

    #[inline(always)]
    fn add_to_index(&mut self, slot: usize) {
        if slot != FIRST && self.flights[slot].key.is_some() {
            self.index.insert_unique(self.flights[slot].hash, slot, |&slot| self.flights[slot].hash);
        }
    }

    #[inline]
    fn remove_from_index(&mut self, slot: usize) {
        if slot != FIRST {
            if let Ok(entry) = self.index.find_entry(self.flights[slot].hash, |&listed| listed == slot) {
                entry.remove();
            }
        }
    }

    /// Takes a flight that nobody can join from now on out of the count.
    pub(super) fn uncount(&mut self, slot: usize) {
        self.give_up_turn(slot);
        self.joinable.sub(self.flights[slot].is_joinable());
    }

    /// A flight that waits behind another does so no longer, and has no key.
    fn give_up_turn(&mut self, slot: usize) {
        let Some(waiting) = &mut self.flights[slot].waiting else { return };
        if waiting.turn.take().is_some() {
            if let Some(running) = waiting.blocked_by.take() {
                self.flights[running].waiting_mut().successor = None;
            }
            self.joinable.sub(true);
        }
    }

    /// Lists a flight that waits behind another in that one's place (invariants 1, 4); both have been counted.
    pub(super) fn pass_key(&mut self, from: usize, to: usize) {
        self.remove_from_index(from);
        self.flights[to].key = self.flights[from].key.take();
        self.add_to_index(to);
        // Without a join window there is no call whose time is known.
        let began = self.flights[to].leader_call.as_ref().map(|_| Instant::now());
        let waiting = self.flights[to].waiting_mut();
        (waiting.turn, waiting.began) = (None, began);
    }

    /// Unlists a flight whose work may go on, if the index lists it (invariant 4); the flight that waits behind it takes
    /// the key and may start. Where it waits for the drop of an older flight's work itself, it does so still.
    ///
    /// Returns the key if nobody else has it now, and the waker of whoever drives the flight that starts.
    pub(super) fn set_aside(&mut self, slot: usize) -> (Option<K>, Option<Waker>) {
        let Some(next) = self.flights[slot].next() else { return (self.unlist(slot), None) };
        self.flights[slot].waiting_mut().successor = None;
        let key = self.hand_over(slot, next);
        (key, self.start(next))
    }

    /// Removes a flight that ends from the index. A newer flight of the key that waits for this one's end may start now; one
    /// that has waited for its turn takes the key, too. Where an older flight's work is still being dropped, the newer one
    /// waits for that instead (invariant 5).
    ///
    /// Returns its key and the waker of whoever drives the newer flight.
    pub(super) fn release_key(&mut self, slot: usize) -> (Option<K>, Option<Waker>) {
        let Some(waiting) = &mut self.flights[slot].waiting else { return (self.unlist(slot), None) };
        if waiting.turn.is_some() {
            self.give_up_turn(slot);
            return (None, None);
        }
        match (waiting.blocked_by.take(), waiting.successor.take()) {
            (None, None) => (self.unlist(slot), None),
            (None, Some(next)) => {
                let key = self.hand_over(slot, next);
                (key, self.start(next))
            }
            (Some(previous), Some(next)) => {
                let key = self.hand_over(slot, next);
                self.flights[previous].waiting_mut().successor = Some(next);
                self.flights[next].waiting_mut().blocked_by = Some(previous);
                (key, None)
            }
            (Some(previous), None) => {
                self.flights[previous].waiting_mut().successor = None;
                // The key's tombstone is the previous flight again.
                if let Some(key) = self.unlist(slot) {
                    self.flights[previous].key = Some(key);
                    self.add_to_index(previous);
                }
                (None, None)
            }
        }
    }

    /// Gives the key of a flight to the one behind it, if that waits for its turn; else returns it.
    fn hand_over(&mut self, slot: usize, next: usize) -> Option<K> {
        if self.flights[next].turn().is_none() {
            return self.unlist(slot);
        }
        self.joinable.sub(true);
        self.pass_key(slot, next);
        None
    }

    /// Lets a flight start that has waited for another one; returns the waker of whoever drives it.
    fn start(&mut self, next: usize) -> Option<Waker> {
        let next = &mut self.flights[next];
        next.waiting_mut().blocked_by = None;
        next.take_driver()
    }
}
