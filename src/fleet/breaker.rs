//! An engine that does not answer is not asked for a while.

use std::time::Duration;

use tokio::time::Instant;

use crate::sync::{Mutex, lock};

/// After so many failures in a row the engine is not asked, for the length of a [`PAUSE`].
const FAILURES: u32 = 3;
/// How long a pause lasts. After each one, one caller tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts the failures that callers saw. A budget that was spent is one too.
#[derive(Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    /// In a row.
    failures: u32,
    /// `Some` while the engine is not asked.
    until: Option<Instant>,
}

impl Breaker {
    /// Returns whether a caller may ask. When a pause is over one may, and begins the next pause for the others.
    pub(super) fn lets_pass(&self) -> bool {
        let mut state = lock(&self.0);
        let Some(until) = state.until else { return true };
        let now = Instant::now();
        if now < until {
            return false;
        }
        state.until = Some(now + PAUSE);
        true
    }

    pub(super) fn succeeded(&self) {
        *lock(&self.0) = State::default();
    }

    pub(super) fn failed(&self) {
        let mut state = lock(&self.0);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.until = Some(Instant::now() + PAUSE);
        }
    }

    /// Returns whether the engine is not asked now.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.0).until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_in_a_row_pause_and_then_one_caller_tries() {
        let breaker = Breaker::default();
        for _ in 0..2 {
            breaker.failed();
            breaker.failed();
            assert!(breaker.lets_pass());
            breaker.succeeded();
        }
        (0..3).for_each(|_| breaker.failed());
        assert!(!breaker.lets_pass() && breaker.is_open());
        tokio::time::advance(PAUSE).await;
        assert_eq!([(); 3].map(|()| breaker.lets_pass()), [true, false, false]);
        breaker.failed();
        assert!(!breaker.lets_pass());
        tokio::time::advance(PAUSE).await;
        assert!(breaker.lets_pass());
        breaker.succeeded();
        assert!(breaker.lets_pass() && !breaker.is_open());
    }
}
