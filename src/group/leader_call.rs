//! When, and in which span, a flight's leader called.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::trace::LeaderSpan;

/// What those who watch want to know of a flight's beginning. Made only where somebody watches, or for a join window;
/// shared, so that it can be cloned under a lock (invariant 6).
pub(super) struct LeaderCall {
    pub(super) called: Instant,
    pub(super) span: LeaderSpan,
}

impl LeaderCall {
    /// `timed`: whether the time is wanted; a span that is current is kept in any case.
    #[inline]
    pub(super) fn now(timed: bool) -> Option<Arc<Self>> {
        if timed || LeaderSpan::may_be() { Self::of_caller(timed) } else { None }
    }

    #[cold]
    fn of_caller(timed: bool) -> Option<Arc<Self>> {
        let span = LeaderSpan::current();
        (timed || span.is_some()).then(|| Arc::new(Self { called: Instant::now(), span }))
    }

    pub(super) fn age(&self) -> Duration {
        self.called.elapsed()
    }
}
