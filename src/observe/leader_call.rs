//! When, and in which span, a caller that may lead a flight called.

use std::time::Duration;

use tokio::time::Instant;

use crate::trace::{LeaderSpan, may_be_traced};

/// What those who watch want to know of a call, and of the flight that it leads. It is made only where somebody
/// watches, or for a join window. The call and its flight have one each: sharing one would take three atomic operations
/// for each call. Cloning it runs no code of the user's, so that may be done under a lock (invariant 6).
#[derive(Clone)]
pub(crate) struct LeaderCall {
    pub(crate) called: Instant,
    pub(crate) span: LeaderSpan,
    /// How many of the group's observers are told of the call: those that are added after it are not.
    pub(crate) told: usize,
}

impl LeaderCall {
    /// Returns what is known of a call that is made now; `told`: how many observers are told of it.
    #[inline]
    pub(super) fn observed(told: usize) -> Self {
        Self { called: Instant::now(), span: LeaderSpan::current(), told }
    }

    /// Returns a second call of its caller, made now.
    #[cfg(feature = "http")]
    pub(crate) fn again(&self) -> Self {
        Self::observed(self.told)
    }

    /// Returns what is known of a call that is made now and that nobody observes; `None` if there is no span, and
    /// `timed` does not ask for the time.
    #[inline]
    pub(crate) fn now(timed: bool) -> Option<Self> {
        if timed || may_be_traced() { Self::unobserved(timed) } else { None }
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
