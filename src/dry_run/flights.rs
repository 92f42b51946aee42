//! Which flights there would be: of each key one that is listed, and behind it one of fresh calls that waits for its turn.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hashbrown::HashTable;
use tokio::time::Instant;

use super::flight::{Admitted, Flight, Wait};
use crate::Limits;

/// How many flights there are at most: callers that choose the keys cannot make the table grow beyond that.
const FLIGHTS: usize = 4096;

/// The flights of all places, under one lock; a place is one group that the layer would have. Nothing of the user's runs here
/// but `Eq` of keys.
pub(super) struct Flights<K, T> {
    listed: HashTable<Listed<K, T>>,
    open: Open,
}

/// How many flights each place has, those that wait for their turn among them.
#[derive(Default)]
struct Open(HashMap<u64, usize>);

/// The flights of one key.
struct Listed<K, T> {
    hash: u64,
    place: u64,
    key: K,
    flight: Arc<Flight<T>>,
    /// When it was listed.
    since: Instant,
    next: Option<Next<T>>,
}

/// A flight that waits for its turn.
struct Next<T> {
    flight: Arc<Flight<T>>,
    /// When it waits no longer, and takes the place of the one before it.
    until: Option<Instant>,
    /// What its leader's own call has come to before its turn.
    finished: Option<Finished<T>>,
}

/// What a leader's call has come to.
pub(super) struct Finished<T> {
    /// `None`: it could not be kept.
    pub(super) outcome: Option<Arc<T>>,
    /// Others may have it.
    pub(super) shares: bool,
}

/// A flight whose turn has come, with what it lands with if its leader's own call is over.
pub(super) type Started<T> = (Arc<Flight<T>>, Option<Finished<T>>);

/// A call that asks for a flight.
pub(super) struct Asks<'a> {
    pub(super) hash: u64,
    pub(super) place: u64,
    pub(super) limits: &'a Limits,
    /// It may not have what began before it.
    pub(super) fresh: bool,
    pub(super) now: Instant,
}

/// What becomes of a call.
pub(super) enum Joins<T> {
    Leads(Arc<Flight<T>>),
    /// It asks to follow this flight, and waits for so long.
    Follows(Arc<Flight<T>>, Wait, Admitted),
    /// A limit of the group sends it alone.
    Limited,
    /// There are too many flights to watch one more.
    Full,
}

/// What becomes of a flight whose leader's own call is over.
pub(super) enum Leaves<K, T> {
    /// It waits for its turn still, and its outcome is to be kept.
    Waits,
    /// It waits for its turn still, and its outcome has been kept.
    Kept,
    /// Nobody joins it any more. The key is dropped without the lock.
    Over { key: Option<K>, started: Option<Started<T>> },
}

impl<K, T> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self { listed: HashTable::new(), open: Open::default() }
    }

    /// Says what becomes of a call that asks for a flight, and which flight has its turn now, if the wait of one is
    /// over. The key is taken if it is listed; else it stays with the caller, which drops it without the lock.
    pub(super) fn join(&mut self, key: &mut Option<K>, asks: &Asks<'_>) -> (Joins<T>, Option<Started<T>>)
    where
        K: Eq,
    {
        let Asks { hash, place, limits, fresh, now } = *asks;
        let same =
            |listed: &Listed<K, T>| listed.hash == hash && listed.place == place && Some(&listed.key) == key.as_ref();
        let Some(listed) = self.listed.find_mut(hash, same) else {
            if let Err(refused) = self.open.make_room(place, limits) {
                return (refused, None);
            }
            let flight = Arc::new(Flight::new());
            if let Some(key) = key.take() {
                let listed = Listed { hash, place, key, flight: Arc::clone(&flight), since: now, next: None };
                self.listed.insert_unique(hash, listed, |listed| listed.hash);
            }
            return (Joins::Leads(flight), None);
        };
        let mut started = listed.overtook(now).and_then(|began| listed.start_next(began));
        // A flight whose turn comes with this call has run nothing yet.
        let mut has_begun = listed.flight.has_begun();
        if listed.next.is_some() && listed.is_old(limits.join_window, now) {
            (started, has_begun) = (listed.start_next(now), false);
        }
        if started.is_some() {
            self.open.uncount(place);
        }
        if listed.is_old(limits.join_window, now) {
            (listed.flight, listed.since) = (Arc::new(Flight::new()), now);
            return (Joins::Leads(Arc::clone(&listed.flight)), started);
        }
        let joined = if !fresh || !has_begun {
            Some(Arc::clone(&listed.flight))
        } else {
            listed.next.as_ref().map(|next| Arc::clone(&next.flight))
        };
        if limits.max_wait.is_some_and(|wait| wait.is_zero()) {
            return (Joins::Limited, started);
        }
        if let Some(flight) = joined {
            let wait = limits.max_wait.filter(|_| !fresh).map(|most| (now, most));
            // Under the lock: without it the flight might land first.
            let admitted = flight.join(wait, limits, now);
            return (Joins::Follows(flight, wait, admitted), started);
        }
        if let Err(refused) = self.open.make_room(place, limits) {
            return (refused, started);
        }
        let flight = Arc::new(Flight::new());
        let until = limits.max_wait.and_then(|wait| now.checked_add(wait));
        listed.next = Some(Next { flight: Arc::clone(&flight), until, finished: None });
        (Joins::Leads(flight), started)
    }

    /// Takes a flight off the list whose leader's call is over; not if the flight waits for its turn. `finished`: what
    /// the call has come to, if a copy was made to be kept. If it is not taken, the caller drops it without the lock.
    /// `left`: the leader has left.
    pub(super) fn leave(
        &mut self,
        hash: u64,
        flight: &Arc<Flight<T>>,
        finished: &mut Option<Finished<T>>,
        left: bool,
        now: Instant,
    ) -> Leaves<K, T> {
        let waits = |listed: &Listed<K, T>| listed.next.as_ref().is_some_and(|next| Arc::ptr_eq(&next.flight, flight));
        let leads = |listed: &Listed<K, T>| Arc::ptr_eq(&listed.flight, flight) || waits(listed);
        let Ok(mut entry) = self.listed.find_entry(hash, leads) else {
            return Leaves::Over { key: None, started: None };
        };
        let listed = entry.get_mut();
        let place = listed.place;
        let waited = waits(listed);
        let overtook = listed.overtook(now);
        if waited && overtook.is_none() {
            match &mut listed.next {
                Some(next) if !left => {
                    next.finished = finished.take();
                    return if next.finished.is_some() { Leaves::Kept } else { Leaves::Waits };
                }
                next => *next = None,
            }
            self.open.uncount(place);
            return Leaves::Over { key: None, started: None };
        }
        let started = listed.start_next(overtook.unwrap_or(now)).filter(|_| !waited);
        let key = if started.is_none() { Some(entry.remove().0.key) } else { None };
        self.open.uncount(place);
        // The flight that it has overtaken is joined no more, either.
        if waited {
            self.open.uncount(place);
        }
        Leaves::Over { key, started }
    }
}

impl Open {
    /// Counts one more flight of a place, if there may be one.
    fn make_room<T>(&mut self, place: u64, limits: &Limits) -> Result<(), Joins<T>> {
        if self.0.get(&place).is_some_and(|open| *open >= limits.max_flights) || limits.max_flights == 0 {
            return Err(Joins::Limited);
        }
        if self.0.values().sum::<usize>() >= FLIGHTS {
            return Err(Joins::Full);
        }
        *self.0.entry(place).or_default() += 1;
        Ok(())
    }

    /// Counts one flight of a place less.
    fn uncount(&mut self, place: u64) {
        let Some(open) = self.0.get_mut(&place) else { return };
        *open -= 1;
        if *open == 0 {
            self.0.remove(&place);
        }
    }
}

impl<K, T> Listed<K, T> {
    fn is_old(&self, window: Option<Duration>, now: Instant) -> bool {
        window.is_some_and(|window| now.saturating_duration_since(self.since) > window)
    }

    /// Returns since when the flight that waits has its turn, if its wait is over.
    fn overtook(&self, now: Instant) -> Option<Instant> {
        self.next.as_ref()?.until.filter(|until| *until <= now)
    }

    /// Puts the flight that waits in the place of the one before it, as of `now`.
    fn start_next(&mut self, now: Instant) -> Option<Started<T>> {
        let Next { flight, finished, .. } = self.next.take()?;
        (self.flight, self.since) = (Arc::clone(&flight), now);
        Some((flight, finished))
    }
}
