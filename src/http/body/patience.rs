//! How long readers have waited for slower ones, in sum over a body.

use std::time::Duration;

use tokio::time::Instant;

/// Waits of this length for one reader are not held against it.
const PASSING: Duration = Duration::from_millis(50);

/// A reader that takes this many bytes in a second keeps up: it is last only because somebody has to be.
const KEEPS_UP: u64 = 16 << 20;

/// How much longer than the stall time waits in passing may take, in sum.
const MORE: Duration = Duration::from_secs(1);

/// Counts the time in which at least one reader waited for room.
pub(super) struct Patience {
    stall: Duration,
    /// What the waits that have ended took in sum.
    spent: Duration,
    /// When the present wait began; `Some` while somebody waits.
    since: Option<Instant>,
}

impl Patience {
    pub(super) const fn new(stall: Duration) -> Self {
        Self { stall, spent: Duration::ZERO, since: None }
    }

    /// A wait begins, unless one is under way.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Returns when the present wait uses up the stall time; `None` if nobody waits, or if that is never.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since?.checked_add(self.stall.saturating_sub(self.spent))
    }

    pub(super) const fn is_waited_on(&self) -> bool {
        self.since.is_some()
    }

    /// Returns how long the present wait has taken.
    fn waited(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Returns for how long others have waited for a reader, now that it takes `bytes`. The time that a reader which
    /// keeps up needs for so many bytes is not held against it.
    pub(super) fn held(&self, held: Duration, bytes: usize, now: Instant) -> Duration {
        let good = Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / KEEPS_UP);
        held.saturating_add(self.waited(now)).saturating_sub(good)
    }

    /// Returns when a reader may be cut, once the stall time is used up; `held` is how long others had waited for it
    /// before this wait. A reader that was waited for only in passing, since tasks and sockets take turns, gets a
    /// little longer: it is others that are slow. In sum that is at most a second.
    pub(super) fn guilty(&self, held: Duration) -> Option<Instant> {
        let share = (self.stall / 10).max(self.stall.min(PASSING));
        let last = self.stall.saturating_add(self.stall.saturating_mul(20).min(MORE)).saturating_sub(self.spent);
        self.since?.checked_add(share.saturating_sub(held).min(last))
    }

    /// Nobody waits any more.
    pub(super) fn rest(&mut self) {
        if let Some(since) = self.since.take() {
            self.spent = self.spent.saturating_add(since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn time_counts_while_somebody_waits_and_no_longer() {
        let mut patience = Patience::new(5 * SECOND);
        assert!(!patience.is_waited_on() && patience.deadline().is_none());
        let begun = Instant::now();
        patience.begin(begun);
        advance(2 * SECOND).await;
        // Another reader that waits begins no second wait.
        patience.begin(Instant::now());
        assert!(patience.is_waited_on());
        assert_eq!(patience.deadline(), Some(begun + 5 * SECOND));
        patience.rest();
        assert!(!patience.is_waited_on() && patience.deadline().is_none());
        advance(60 * SECOND).await;
        let again = Instant::now();
        patience.begin(again);
        assert_eq!(patience.deadline(), Some(again + 3 * SECOND), "two seconds are spent");
        advance(4 * SECOND).await;
        patience.rest();
        patience.begin(again);
        assert_eq!(patience.deadline(), Some(again), "no less than nothing is left");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_reader_takes_at_the_pace_of_others_is_not_held_against_it() {
        let mut patience = Patience::new(5 * SECOND);
        let now = Instant::now();
        assert_eq!(patience.held(SECOND, 0, now), SECOND, "nobody waits");
        patience.begin(now);
        advance(SECOND).await;
        let held = |held, bytes| patience.held(held, bytes, Instant::now());
        assert_eq!(held(SECOND, 0), 2 * SECOND);
        assert_eq!(held(SECOND, 8 << 20), 1500 * MS);
        assert_eq!(held(SECOND, 16 << 20), SECOND);
        assert_eq!(held(SECOND, 1 << 30), Duration::ZERO);
    }

    /// Invariant 8.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_was_waited_for_in_passing_has_time_until_it_is_guilty() {
        for (stall, held, time) in [
            (5 * SECOND, Duration::ZERO, 500 * MS),
            (5 * SECOND, 200 * MS, 300 * MS),
            (5 * SECOND, SECOND, Duration::ZERO),
            (100 * MS, Duration::ZERO, 50 * MS),
            (20 * MS, Duration::ZERO, 20 * MS),
            (20 * MS, 5 * MS, 15 * MS),
            (Duration::ZERO, Duration::ZERO, Duration::ZERO),
        ] {
            let mut patience = Patience::new(stall);
            assert_eq!(patience.guilty(held), None, "nobody waits");
            let now = Instant::now();
            patience.begin(now);
            assert_eq!(patience.guilty(held), Some(now + time), "{stall:?}, held for {held:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn passing_waits_take_a_second_more_in_sum_or_twenty_times_a_short_stall() {
        for (stall, most) in [(5 * SECOND, 6 * SECOND), (MS, 21 * MS)] {
            let mut patience = Patience::new(stall);
            patience.begin(Instant::now());
            advance(most - MS / 2).await;
            patience.rest();
            let now = Instant::now();
            patience.begin(now);
            assert_eq!(patience.guilty(Duration::ZERO), Some(now + MS / 2), "{stall:?}");
            advance(MS).await;
            patience.rest();
            patience.begin(now);
            assert_eq!(patience.guilty(Duration::ZERO), Some(now), "{stall:?}");
        }
    }
}
