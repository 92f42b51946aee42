//! How long readers have waited for slower ones, in sum over a body.

use std::time::Duration;

use tokio::time::Instant;

/// In which a task that has been woken is polled.
const MOMENT: Duration = Duration::from_millis(1);

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

    /// Returns whether anybody has had to wait.
    pub(super) fn is_tried(&self) -> bool {
        self.since.is_some() || !self.spent.is_zero()
    }

    /// Returns when it is used up; `None` is never, as is the end of no wait.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.since?.checked_add(self.stall.saturating_sub(self.spent))
    }

    /// Returns until when a reader that moved just now is waited for beyond the deadline: a moment, so that it does not
    /// matter in which order tasks are polled, and a fiftieth of the whole in sum.
    pub(super) fn grace(&self, moved: Instant) -> Option<Instant> {
        let last = self.since?.checked_add((self.stall.saturating_add(self.stall / 50)).saturating_sub(self.spent))?;
        Some(last.min(moved + MOMENT))
    }

    /// Nobody waits any more.
    pub(super) fn rest(&mut self) {
        if let Some(since) = self.since.take() {
            self.spent = self.spent.saturating_add(since.elapsed());
        }
    }
}
