//! Keys whose answers could not be shared of late: those who ask for them go alone at once, and wait for nobody (D3).

use std::{
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::key::HttpKey;
use crate::hasher::KeyHasher;

/// A fixed number, so that untrusted keys cannot make it grow (S26): a newer key takes the place of an older one.
const PLACES: usize = 4096;
/// A place holds the time until which the key is remembered, in ms, and above it a tag that tells keys apart. Keys that
/// agree in both go alone for that long, which is safe.
const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// Set in the time of a key for which there is weak evidence only, once.
const WEAK: u64 = 1 << (TIME_BITS - 1);

/// What the answer of a released follower says of those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It takes two such answers.
    Weak,
    Strong,
}

pub(super) struct Unshareable {
    /// Keyed at random: untrusted keys cannot be made to collide.
    hasher: KeyHasher,
    /// Made by the first key that is remembered.
    places: OnceLock<Box<[AtomicU64]>>,
    start: OnceLock<Instant>,
}

impl Unshareable {
    pub(super) fn new() -> Self {
        Self { hasher: KeyHasher::new(), places: OnceLock::new(), start: OnceLock::new() }
    }

    /// Remembers the key for this long, if there is evidence enough.
    pub(super) fn remember(&self, key: &HttpKey, time: Duration, evidence: Evidence) {
        if time.is_zero() {
            return;
        }
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        let (place, tag) = self.place(key);
        let until = self.now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(TIME_MASK));
        let until = until.clamp(1, TIME_MASK & !WEAK);
        let known = self.until(places[place].load(Ordering::Acquire), tag).is_some();
        let weak = evidence == Evidence::Weak && !known;
        places[place].store(tag | until | if weak { WEAK } else { 0 }, Ordering::Release);
    }

    /// Returns whether the key is still remembered.
    #[inline]
    pub(super) fn contains(&self, key: &HttpKey) -> bool {
        self.places.get().is_some_and(|places| self.is_in(places, key))
    }

    fn is_in(&self, places: &[AtomicU64], key: &HttpKey) -> bool {
        let (place, tag) = self.place(key);
        self.until(places[place].load(Ordering::Acquire), tag).is_some_and(|time| time & WEAK == 0)
    }

    /// Returns the time in a place if it is this key's and has not passed.
    fn until(&self, held: u64, tag: u64) -> Option<u64> {
        let time = held & TIME_MASK;
        (time != 0 && held & !TIME_MASK == tag && self.now() < time & !WEAK).then_some(time)
    }

    /// Forgets the key: one of its answers was shareable.
    #[inline]
    pub(super) fn clear(&self, key: &HttpKey) {
        if let Some(places) = self.places.get() {
            self.clear_in(places, key);
        }
    }

    fn clear_in(&self, places: &[AtomicU64], key: &HttpKey) {
        let (place, tag) = self.place(key);
        let held = places[place].load(Ordering::Acquire);
        if held & TIME_MASK != 0 && held & !TIME_MASK == tag {
            // If a newer key has taken the place meanwhile, it keeps it.
            let _ = places[place].compare_exchange(held, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
    fn place(&self, key: &HttpKey) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        (hash as usize % PLACES, hash & !TIME_MASK)
    }

    /// Milliseconds since the first key was remembered.
    fn now(&self) -> u64 {
        let start = *self.start.get_or_init(Instant::now);
        u64::try_from(start.elapsed().as_millis()).unwrap_or(TIME_MASK)
    }
}
