//! When, and in which span, somebody called who may lead a flight.

use std::time::Duration;

use tokio::time::Instant;

use crate::trace::LeaderSpan;

/// What those who watch want to know of a call, and of the flight that it leads. Made only where somebody watches, or for a
/// join window. The call and its flight each have one: to share it would take three atomic operations of each call. It can be
/// cloned under a lock (invariant 6).
#[derive(Clone)]
pub(crate) struct LeaderCall {
    pub(crate) called: Instant,
    pub(crate) span: LeaderSpan,
    /// How many of the group's observers are told of it: those that are added after the call are not.
    pub(crate) told: usize,
}

impl LeaderCall {
    /// Returns that of a call which is made now, and of which so many are told.
    #[inline]
    pub(super) fn observed(told: usize) -> Self {
        Self { called: Instant::now(), span: LeaderSpan::current(), told }
    }

    /// Returns a second call of its caller, made now.
    #[cfg(feature = "http")]
    pub(crate) fn again(&self) -> Self {
        Self::observed(self.told)
    }

    /// Returns that of a call which nobody observes; `timed`: whether the time is wanted. A span that is current is kept in any
    /// case.
    #[inline]
    pub(crate) fn now(timed: bool) -> Option<Self> {
        if timed || LeaderSpan::may_be() { Self::unobserved(timed) } else { None }
    }

    #[cold]
    fn unobserved(timed: bool) -> Option<Self> {
        let span = LeaderSpan::current();
        (timed || span.is_some()).then(|| Self { called: Instant::now(), span, told: 0 })
    }

    pub(crate) fn age(&self) -> Duration {
        self.called.elapsed()
    }
}
