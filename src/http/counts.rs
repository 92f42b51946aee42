//! What the flights of a group cannot count: requests that are on none, and requests that are on a second one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{Role, Stats, striped::Striped};

/// Corrections to what flights count, so that each request is counted once.
#[derive(Debug)]
pub(super) struct Counts {
    /// Requests that a rule sent alone.
    alone: Striped,
    /// Followers that did not take what their flight landed with, though it was there for them.
    declined: AtomicU64,
    /// Those who declined or were released, by what they did next: they led, followed or went alone on a second flight.
    led_again: AtomicU64,
    followed_again: AtomicU64,
    alone_again: AtomicU64,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            alone: Striped::new(),
            declined: AtomicU64::new(0),
            led_again: AtomicU64::new(0),
            followed_again: AtomicU64::new(0),
            alone_again: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn count_alone(&self) {
        self.alone.add_one();
    }

    pub(super) fn count_declined(&self) {
        self.declined.fetch_add(1, Relaxed);
    }

    /// Counts the role of a caller on its second flight: it has followed before, and is no new call.
    pub(super) fn count_again(&self, role: Role) {
        let count = match role {
            Role::Leader => &self.led_again,
            Role::Follower => &self.followed_again,
            Role::Alone(_) => &self.alone_again,
        };
        count.fetch_add(1, Relaxed);
    }

    /// Turns what was counted by flight into what is counted by call.
    pub(super) fn correct(&self, mut stats: Stats) -> Stats {
        let followed_again = self.followed_again.load(Relaxed);
        stats.led = stats.led.saturating_sub(self.led_again.load(Relaxed));
        stats.followed = stats.followed.saturating_sub(followed_again);
        stats.alone = (stats.alone + self.alone.get()).saturating_sub(self.alone_again.load(Relaxed));
        // A caller that follows again does not count as released any more.
        stats.released = (stats.released + self.declined.load(Relaxed)).saturating_sub(followed_again);
        stats
    }
}
