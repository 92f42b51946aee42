//! How long readers have waited for slower ones, in sum over a body.

use std::time::Duration;

use tokio::time::Instant;

/// For so long anybody may be waited for.
const PASSING: Duration = Duration::from_millis(50);

/// Who takes so many bytes in a second keeps up: it is last because somebody has to be.
const KEEPS_UP: u64 = 16 << 20;

/// In sum, beyond the stall time.
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

    /// Returns when it is used up; `None` is never, as is the end of no wait.
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

    /// Returns for how long a reader has been waited for that takes this much now; what it takes in good time is not held
    /// against it.
    pub(super) fn held(&self, held: Duration, bytes: usize, now: Instant) -> Duration {
        let good = Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / KEEPS_UP);
        held.saturating_add(self.waited(now)).saturating_sub(good)
    }

    /// Returns when a reader that others had waited for so long already is cut, once the time is used up. One that was
    /// waited for only in passing, since tasks and sockets take turns, is not: others are slow. In sum there is a second
    /// more for that.
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
