//! The flights that there would be.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use hashbrown::HashTable;

use super::{DryRunStats, flight::Flight};
use crate::{
    group::ShareIf,
    hasher::KeyHasher,
    panic::{catch, discard},
    sync::{Mutex, lock},
};

/// How many flights there are at most: whoever chooses the keys cannot make it grow.
const FLIGHTS: usize = 4096;

/// What a service has that only tries what it would do.
pub(crate) struct Shadow<K, T> {
    known: Arc<Known<K, T>>,
    share_if: Option<ShareIf<T>>,
    /// Which of the layer's groups the service would have.
    place: u64,
}

/// The part of a call in the flight that there would be.
pub(super) enum Role {
    Leader {
        /// That of its key.
        hash: u64,
    },
    Follower {
        is_compared: bool,
    },
}

/// What all services of a layer have in common.
struct Known<K, T> {
    hasher: KeyHasher,
    flights: Mutex<Flights<K, T>>,
    stats: Mutex<DryRunStats>,
    compare: Compare<T>,
}

/// Asked of a leader's outcome and of a follower's own.
type Compare<T> = Box<dyn Fn(&T, &T) -> bool + Send + Sync>;

struct Flights<K, T> {
    /// Those that can be joined.
    listed: HashTable<Listed<K, T>>,
    places: u64,
}

struct Listed<K, T> {
    hash: u64,
    place: u64,
    key: K,
    flight: Arc<Flight<T>>,
}

impl<K, T> Shadow<K, T> {
    pub(crate) fn new<C>(compare: C) -> Self
    where
        C: Fn(&T, &T) -> bool + Send + Sync + 'static,
    {
        let flights = Mutex::new(Flights { listed: HashTable::new(), places: 0 });
        let (hasher, stats) = (KeyHasher::new(), Mutex::default());
        let known = Known { hasher, flights, stats, compare: Box::new(compare) };
        Self { known: Arc::new(known), share_if: None, place: 0 }
    }

    /// Returns what a service of the layer needs: one that has a group of its own, or the layer's.
    pub(crate) fn of_service(&self, share_if: Option<ShareIf<T>>, is_alone: bool) -> Self {
        let mut flights = lock(&self.known.flights);
        flights.places += u64::from(is_alone);
        Self { known: Arc::clone(&self.known), share_if, place: if is_alone { flights.places } else { 0 } }
    }

    pub(crate) fn stats(&self) -> DryRunStats {
        *lock(&self.known.stats)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut DryRunStats)) {
        count(&mut lock(&self.known.stats));
    }

    /// Runs what may run code of the user's: no panic of it reaches the caller, who would not have seen it without the
    /// layer.
    pub(super) fn guarded<R>(&self, run: impl FnOnce() -> R) -> Option<R> {
        let result = catch(run).map_err(discard).ok();
        if result.is_none() {
            self.count(|stats| stats.panicked += 1);
        }
        result
    }

    /// Lets nobody join a flight any more.
    pub(super) fn unlist(&self, hash: u64, flight: &Arc<Flight<T>>) {
        let mut flights = lock(&self.known.flights);
        let listed = flights.listed.find_entry(hash, |listed| Arc::ptr_eq(&listed.flight, flight));
        let listed = listed.ok().map(|listed| listed.remove().0);
        drop(flights);
        // The key is the user's, and is dropped without the lock.
        drop(listed);
    }

    /// Notes the outcomes of a leader and some of its followers.
    pub(super) fn compare(&self, leader: &T, followers: &[Arc<T>]) {
        for follower in followers {
            if let Some(same) = self.guarded(|| (self.known.compare)(leader, follower)) {
                self.count(|stats| *(if same { &mut stats.same } else { &mut stats.different }) += 1);
            }
        }
    }

    /// Returns whether followers may have an outcome; not if that cannot be told.
    pub(super) fn shares(&self, outcome: &T) -> bool {
        let Some(share_if) = &self.share_if else { return true };
        self.guarded(|| share_if(outcome)).unwrap_or_default()
    }
}

impl<K: Hash + Eq, T> Shadow<K, T> {
    /// Lets a call of this key join the flight that there would be, or lead it; `None` if there is no place.
    pub(super) fn join(&self, key: K) -> Option<(Arc<Flight<T>>, Role)> {
        let hash = self.known.hasher.hash_one(&key);
        let mut flights = lock(&self.known.flights);
        let same = |listed: &Listed<K, T>| listed.hash == hash && listed.place == self.place && listed.key == key;
        if let Some(Listed { flight, .. }) = flights.listed.find(hash, same) {
            let flight = Arc::clone(flight);
            let is_compared = flight.join();
            drop(flights);
            self.count(|stats| stats.followed += 1);
            return Some((flight, Role::Follower { is_compared }));
        }
        if flights.listed.len() >= FLIGHTS {
            drop(flights);
            self.count(|stats| stats.full += 1);
            return None;
        }
        let flight = Arc::new(Flight::new());
        let listed = Listed { hash, place: self.place, key, flight: Arc::clone(&flight) };
        flights.listed.insert_unique(hash, listed, |listed| listed.hash);
        drop(flights);
        self.count(|stats| stats.led += 1);
        Some((flight, Role::Leader { hash }))
    }
}

impl<K, T> Clone for Shadow<K, T> {
    fn clone(&self) -> Self {
        Self { known: Arc::clone(&self.known), share_if: self.share_if.clone(), place: self.place }
    }
}
