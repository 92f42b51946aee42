//! The flights that there would be.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    DryRunStats, Sample,
    flight::{Admitted, Flight, Landed, Landing, Wait},
    flights::{Asks, Finished, Flights, Joins, Leaves, Started},
};
use crate::{
    Limits,
    group::ShareIf,
    hasher::KeyHasher,
    panic::quietly,
    sync::{Mutex, lock},
};

/// What a service that only tries what it would do keeps beside it.
pub(crate) struct Shadow<K, T> {
    known: Arc<Known<K, T>>,
    share_if: Option<ShareIf<T>>,
    sample: Sample,
    /// Which of the layer's groups the service would have, and the limits of that.
    place: u64,
    limits: Limits,
}

/// The part of a call in the flight that there would be.
pub(super) enum ShadowRole {
    Leader {
        /// The hash of its key.
        hash: u64,
    },
    Follower {
        is_compared: bool,
        wait: Wait,
    },
}

/// What all services of a layer have in common.
struct Known<K, T> {
    hasher: KeyHasher,
    flights: Mutex<Flights<K, T>>,
    /// How many services have a group of their own.
    places: Mutex<u64>,
    stats: Mutex<DryRunStats>,
    compare: Compare<T>,
}

/// Compares a leader's outcome with a follower's own.
type Compare<T> = Box<dyn Fn(&T, &T) -> bool + Send + Sync>;

impl<K, T> Shadow<K, T> {
    pub(crate) fn new<C>(compare: C) -> Self
    where
        C: Fn(&T, &T) -> bool + Send + Sync + 'static,
    {
        let (flights, places, stats) = (Mutex::new(Flights::new()), Mutex::new(0), Mutex::default());
        let known = Known { hasher: KeyHasher::new(), flights, places, stats, compare: Box::new(compare) };
        Self { known: Arc::new(known), share_if: None, sample: Sample::ALL, place: 0, limits: Limits::new() }
    }

    /// Returns what a service of the layer needs: one that has a group of its own, or the layer's.
    pub(crate) fn of_service(
        &self,
        share_if: Option<ShareIf<T>>,
        sample: Sample,
        has_own_group: bool,
        limits: Limits,
    ) -> Self {
        let mut places = lock(&self.known.places);
        *places += u64::from(has_own_group);
        Self {
            known: Arc::clone(&self.known),
            share_if,
            sample,
            place: if has_own_group { *places } else { 0 },
            limits,
        }
    }

    pub(crate) fn stats(&self) -> DryRunStats {
        *lock(&self.known.stats)
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut DryRunStats)) {
        count(&mut lock(&self.known.stats));
    }

    /// Runs what may run the user's code: no panic of that reaches the caller, which would not have seen it without the
    /// layer.
    pub(super) fn guarded<R>(&self, run: impl FnOnce() -> R) -> Option<R> {
        let result = quietly(run);
        if result.is_none() {
            self.count(|stats| stats.panicked += 1);
        }
        result
    }

    /// Ends the time to join a flight whose leader's call is over; returns whether it lands now. If it still waits for
    /// its turn, what `keep` returns is kept until then.
    pub(super) fn leave(&self, hash: u64, flight: &Arc<Flight<T>>, keep: Option<&dyn Fn() -> Finished<T>>) -> bool {
        let mut finished = None;
        loop {
            let (left, now) = (keep.is_none(), Instant::now());
            let leaves = lock(&self.known.flights).leave(hash, flight, &mut finished, left, now);
            match (leaves, keep) {
                // What is kept is made without the lock.
                (Leaves::Waits, Some(keep)) => finished = Some(keep()),
                (Leaves::Waits | Leaves::Kept, _) => return false,
                (Leaves::Over { key, started }, _) => {
                    // The key is the user's, and is dropped without the lock.
                    drop(key);
                    self.start(hash, started);
                    return true;
                }
            }
        }
    }

    /// Starts a flight whose turn has come: it lands at once if its leader's own call is over.
    fn start(&self, hash: u64, mut started: Option<Started<T>>) {
        while let Some((flight, Some(Finished { outcome, shares }))) = started.take() {
            let leaves = lock(&self.known.flights).leave(hash, &flight, &mut None, true, Instant::now());
            if let Leaves::Over { key, started: next } = leaves {
                drop(key);
                started = next;
            }
            self.land(&flight, outcome.as_deref(), shares, || outcome.clone());
        }
    }

    /// Lands a flight that nobody joins any more, and compares the leader's outcome with those of followers that have
    /// ended. `shares`: whether others may have it; `keep` clones it, for followers that end later. `outcome` is `None`
    /// if a clone of it panicked.
    pub(super) fn land(
        &self,
        flight: &Flight<T>,
        outcome: Option<&T>,
        shares: bool,
        keep: impl FnOnce() -> Option<Arc<T>>,
    ) {
        if !flight.has_followers() {
            return;
        }
        let kept = if shares { keep() } else { None };
        let now = Instant::now();
        let with = kept.map_or(Landed::WithNothing, |kept| Landed::With(kept, now));
        let landing = flight.land(with, self.limits.max_wait, now);
        self.count(|stats| {
            *(if shares { &mut stats.saved } else { &mut stats.released }) += landing.followers;
            stats.waited_too_long += landing.late;
        });
        if let (Some(outcome), true) = (outcome, shares) {
            self.compare(outcome, &landing.early);
        }
        self.drop_each(landing);
    }

    /// Ends a flight whose leader has left.
    pub(super) fn lose(&self, flight: &Flight<T>) {
        let landing = flight.land(Landed::WithNothing, self.limits.max_wait, Instant::now());
        self.count(|stats| {
            stats.leader_left += landing.followers;
            stats.waited_too_long += landing.late;
        });
        self.drop_each(landing);
    }

    /// Drops what was kept of followers, each by itself: two panics at a time would end the process.
    fn drop_each(&self, landing: Landing<T>) {
        landing.early.into_iter().chain(landing.unused).for_each(|outcome| {
            self.guarded(|| drop(outcome));
        });
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
    /// Lets a call of this key join the flight that there would be, or lead it; `None` if it goes alone. `fresh`: it may not
    /// have what began before it.
    pub(super) fn join(&self, key: K, fresh: bool) -> Option<(Arc<Flight<T>>, ShadowRole)> {
        let hash = self.known.hasher.hash_one(&key);
        if !self.sample.watches(hash) {
            self.count(|stats| stats.unwatched += 1);
            return None;
        }
        let now = Instant::now();
        let limits = &self.limits;
        let asks = Asks { hash, place: self.place, limits, fresh, now };
        let mut key = Some(key);
        let (joins, started) = lock(&self.known.flights).join(&mut key, &asks);
        // The key is the user's: it is dropped without the lock, and its panic is not the flight's.
        self.guarded(|| drop(key));
        let part = match joins {
            Joins::Leads(flight) => {
                self.count(|stats| stats.led += 1);
                Some((flight, ShadowRole::Leader { hash }))
            }
            Joins::Follows(flight, wait, Admitted { compared, late }) => {
                self.count(|stats| {
                    stats.waited_too_long += late;
                    *(if compared.is_some() { &mut stats.followed } else { &mut stats.limited }) += 1;
                });
                compared.map(|is_compared| (flight, ShadowRole::Follower { is_compared, wait }))
            }
            Joins::Limited => {
                self.count(|stats| stats.limited += 1);
                None
            }
            Joins::Full => {
                self.count(|stats| stats.full += 1);
                None
            }
        };
        self.start(hash, started);
        part
    }
}

impl<K, T> Clone for Shadow<K, T> {
    fn clone(&self) -> Self {
        let Self { known, share_if, sample, place, limits } = self;
        Self { known: Arc::clone(known), share_if: share_if.clone(), sample: *sample, place: *place, limits: *limits }
    }
}
