//! What a flight knows of the one that waits behind it, and of its own wait.

use std::time::Duration;

use tokio::time::Instant;

use super::{lifecycle::Flight, turn::Turn};

impl<K, T, S> Flight<K, T, S> {
    pub(super) fn turn(&self) -> Option<&Turn> {
        self.waiting.as_ref()?.turn.as_deref()
    }

    /// Returns whether the flight was older than the window when somebody called. The age of one that has waited for
    /// its turn counts from the end of that wait, and the age of one that waits for another process from the beginning
    /// there.
    pub(super) fn is_older_than(&self, window: Duration, called: Instant) -> bool {
        let (began, elsewhere) =
            self.waiting.as_ref().map_or((None, None), |waiting| (waiting.began, waiting.elsewhere));
        let own = began.or_else(|| Some(self.leader_call.as_ref()?.called));
        let since = own.map(|own| elsewhere.map_or(own, |elsewhere| elsewhere.min(own)));
        since.is_some_and(|since| called.saturating_duration_since(since) > window)
    }

    /// Notes when the run on another process that the work waits for began, after a poll in which it may have learnt
    /// that.
    #[inline]
    pub(super) fn note_elsewhere(&mut self) {
        if cfg!(feature = "fleet") {
            if let (Some(_), Some(work)) = (&self.leader_call, &self.work) {
                let since = work.began_elsewhere();
                if since.is_some() || self.waiting.is_some() {
                    self.waiting_mut().elsewhere = since;
                }
            }
        }
    }

    /// Returns when the flight changes by itself: when its grace is over, or its wait for its turn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.grace().or_else(|| self.turn()?.overtakes)
    }

    /// Returns the flight that waits behind this one: it takes the key and starts when this one's run ends. Only a
    /// flight that runs, and that the index lists, has one.
    pub(super) fn next(&self) -> Option<usize> {
        self.waiting.as_ref()?.successor.filter(|_| self.is_running())
    }
}
