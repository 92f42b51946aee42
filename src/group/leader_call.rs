//! When, and in which span, a flight's leader called.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::trace::LeaderSpan;

/// What those who watch want to know of a flight's beginning. Made only where somebody watches, or for a join window;
/// shared, so that it can be cloned under a lock (invariant 6).
pub(super) struct LeaderCall {
    pub(super) called: Instant,
    /// How many observers have been told that the flight began.
    pub(super) observers: usize,
    pub(super) span: LeaderSpan,
}

impl LeaderCall {
    /// `timed`: whether the time is wanted, as by `observers`; a span that is current is kept in any case.
    #[inline]
    pub(super) fn now(timed: bool, observers: usize) -> Option<Arc<Self>> {
        if timed || observers > 0 || LeaderSpan::may_be() { Self::of_caller(timed, observers) } else { None }
    }

    #[cold]
    fn of_caller(timed: bool, observers: usize) -> Option<Arc<Self>> {
        let span = LeaderSpan::current();
        let wanted = timed || observers > 0 || span.is_some();
        wanted.then(|| Arc::new(Self { called: Instant::now(), observers, span }))
    }

    pub(super) fn age(&self) -> Duration {
        self.called.elapsed()
    }
}
