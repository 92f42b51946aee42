//! The flights that are under way, with their age.

use std::{hash::BuildHasher, time::Duration};

use hashbrown::{HashMap, hash_map::Entry};
use tokio::time::Instant;

use crate::{
    FlightId,
    hasher::KeyHasher,
    sync::{Mutex, lock},
};

const SHARDS: usize = 16;

/// How many flights each shard lists at most: 16,384 in all.
const MOST: usize = 1_024;

/// How long it is remembered that a flight ended before it was told that it began.
const LATE: Duration = Duration::from_secs(10);

/// A flight under way.
#[derive(Clone, Copy)]
pub(super) struct Flight {
    pub(super) began: Instant,
    /// By its number.
    pub(super) route: u16,
    /// As its latest follower found it; callers that leave are not taken off.
    pub(super) callers: usize,
}

enum State {
    UnderWay(Flight),
    /// Told by another thread before the flight's beginning was told.
    EndedFirst(Instant),
}

type Shard = HashMap<FlightId, State, KeyHasher>;

pub(super) struct Flights {
    /// Leaf locks: no user code runs while one is held.
    shards: [Mutex<Shard>; SHARDS],
    seed: KeyHasher,
}

impl Flights {
    pub(super) fn new() -> Self {
        let seed = KeyHasher::new();
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard::with_hasher(seed.clone()))), seed }
    }

    fn shard(&self, flight: FlightId) -> &Mutex<Shard> {
        &self.shards[self.seed.hash_one(flight) as usize % SHARDS]
    }

    pub(super) fn begin(&self, flight: FlightId, route: u16, now: Instant) {
        let mut shard = lock(self.shard(flight));
        if shard.len() >= MOST {
            forget_late(&mut shard, now);
        }
        let has_room = shard.len() < MOST;
        match shard.entry(flight) {
            Entry::Occupied(ended) => drop(ended.remove()),
            Entry::Vacant(place) if has_room => {
                place.insert(State::UnderWay(Flight { began: now, route, callers: 1 }));
            }
            Entry::Vacant(_) => {}
        }
    }

    pub(super) fn join(&self, flight: FlightId, callers: usize) {
        if let Some(State::UnderWay(flight)) = lock(self.shard(flight)).get_mut(&flight) {
            flight.callers = callers;
        }
    }

    pub(super) fn end(&self, flight: FlightId, now: Instant) {
        let mut shard = lock(self.shard(flight));
        // Where the shard is full, the flight was not listed, as a rule.
        if shard.remove(&flight).is_none() && shard.len() < MOST {
            shard.insert(flight, State::EndedFirst(now));
        }
    }

    /// Shows each flight that is listed.
    pub(super) fn each(&self, now: Instant, mut show: impl FnMut(FlightId, Flight)) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            forget_late(&mut shard, now);
            for (id, state) in shard.iter() {
                if let State::UnderWay(flight) = state {
                    show(*id, *flight);
                }
            }
        }
    }
}

fn forget_late(shard: &mut Shard, now: Instant) {
    shard.retain(|_, state| !matches!(state, State::EndedFirst(at) if now.duration_since(*at) > LATE));
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn id(serial: u64) -> FlightId {
        FlightId { shard: NonZeroU64::MIN, serial }
    }

    fn listed(flights: &Flights, now: Instant) -> Vec<(u64, usize)> {
        let mut listed = Vec::new();
        flights.each(now, |id, flight| listed.push((id.serial, flight.callers)));
        listed.sort_unstable();
        listed
    }

    #[test]
    fn a_flight_is_listed_from_its_beginning_to_its_end_in_whatever_order_they_are_told() {
        let (flights, now) = (Flights::new(), Instant::now());
        flights.begin(id(1), 0, now);
        flights.join(id(1), 2);
        flights.join(id(2), 2);
        assert_eq!(listed(&flights, now), [(1, 2)]);
        flights.end(id(1), now);
        // Other threads were sooner.
        flights.end(id(2), now);
        flights.begin(id(2), 0, now);
        assert_eq!(listed(&flights, now), []);
        // One that began before the page was there.
        flights.end(id(3), now);
        assert_eq!(listed(&flights, now + 2 * LATE), []);
        assert!(flights.shards.iter().all(|shard| lock(shard).is_empty()));
    }

    #[test]
    fn there_is_a_cap() {
        let (flights, now) = (Flights::new(), Instant::now());
        for serial in 0..2 * (SHARDS * MOST) as u64 {
            flights.begin(id(serial), 0, now);
        }
        assert_eq!(listed(&flights, now).len(), SHARDS * MOST);
        for serial in 0..2 * (SHARDS * MOST) as u64 {
            flights.end(id(serial), now);
        }
        assert_eq!(listed(&flights, now), []);
    }
}
