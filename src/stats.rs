//! What a group has done, in numbers.

use std::ops::AddAssign;

/// What a group has done since it was made, and what is under way: returned by [`Group::stats`](crate::Group::stats).
///
/// A call is counted once, when it is made: as one that leads, follows or goes alone. Observers are told the same: once
/// all calls have ended, each number here is the number of [`Event`](crate::Event)s that say so.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_singleflight::Group;
///
/// let group = Group::new();
/// tokio::join!(group.call(7, || async {}), group.call(7, || async {}), group.call(8, || async {}));
/// let stats = group.stats();
/// assert_eq!((stats.led, stats.followed, stats.alone), (2, 1, 0));
/// assert_eq!((stats.calls(), stats.saved()), (3, 1));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls whose work a flight ran.
    pub led: u64,
    /// Calls that joined a flight.
    pub followed: u64,
    /// Calls that ran their own work outside any flight from the start, for whatever [`Reason`](crate::Reason).
    pub alone: u64,
    /// Of those that followed: those that ran their own work after all, since they had waited too long, or the outcome was
    /// lost or not for them.
    pub released: u64,
    /// Of those that followed: those that left before they had the outcome.
    pub left: u64,
    /// Of those that followed: those that ended in a panic, be it that of the work, raised again, or one of the user's
    /// code that ran for this caller, such as the clone of the value.
    pub panicked: u64,
    /// Flights that were dropped because their last caller had left, less those that had been lost before.
    pub abandoned: u64,
    /// Flights whose task died without an outcome: its runtime was shut down.
    pub lost: u64,
    /// Observers, and callbacks of `inspect` and `label`, that have panicked: they are told nothing any more.
    pub observers_off: usize,
    /// Flights that can be joined now.
    pub in_flight: usize,
    /// Callers on those flights, and on forgotten ones that still run.
    pub callers: usize,
    /// Of these: those that joined.
    pub waiting: usize,
}

impl Stats {
    /// Returns how many calls were made.
    pub fn calls(&self) -> u64 {
        self.led + self.followed + self.alone
    }

    /// Returns how many runs of the work were saved: the calls that joined a flight, less those that did not get its
    /// outcome. Those under way count as saved.
    pub fn saved(&self) -> u64 {
        self.followed.saturating_sub(self.released + self.left + self.panicked)
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.led += other.led;
        self.followed += other.followed;
        self.alone += other.alone;
        self.released += other.released;
        self.left += other.left;
        self.panicked += other.panicked;
        self.abandoned += other.abandoned;
        self.lost += other.lost;
        self.observers_off += other.observers_off;
        self.in_flight += other.in_flight;
        self.callers += other.callers;
        self.waiting += other.waiting;
    }
}
