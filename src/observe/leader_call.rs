//! When, and in which span, somebody called who may lead a flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::trace::LeaderSpan;

/// What those who watch want to know of a call, and of the flight that it leads. Made only where somebody watches, or for a
/// join window; shared, so that it can be cloned under a lock (invariant 6), and so that the clock is read once for both.
pub(crate) struct LeaderCall {
    pub(crate) called: Instant,
    /// How many observers are told of it; those who come later are not.
    pub(crate) observers: usize,
    pub(crate) span: LeaderSpan,
    /// How long its flight took, in nanoseconds, if the leader itself has landed it; else 0.
    landed: AtomicU64,
}

impl LeaderCall {
    /// Returns the one of a call that is made now, and that so many observers are told of.
    pub(crate) fn new(observers: usize) -> Arc<Self> {
        Self::in_span(observers, LeaderSpan::current())
    }

    fn in_span(observers: usize, span: LeaderSpan) -> Arc<Self> {
        Arc::new(Self { called: Instant::now(), observers, span, landed: AtomicU64::new(0) })
    }

    /// `timed`: whether the time is wanted; a span that is current is kept in any case. `watched`: the observers', if there
    /// are any.
    #[inline]
    pub(crate) fn now(timed: bool, watched: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        if timed || watched.is_some() || LeaderSpan::may_be() { Self::of_caller(timed, watched) } else { None }
    }

    #[cold]
    fn of_caller(timed: bool, watched: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        watched.cloned().or_else(|| {
            let span = LeaderSpan::current();
            (timed || span.is_some()).then(|| Self::in_span(0, span))
        })
    }

    /// Notes that the leader itself has landed its flight, so long after its call: it has the outcome in the same poll.
    pub(crate) fn landed_after(&self, took: Duration) {
        self.landed.store(took.as_nanos().try_into().unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns what that has noted, if it was more than nothing.
    pub(crate) fn landed(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.landed.load(Relaxed))).filter(|took| !took.is_zero())
    }

    pub(crate) fn age(&self) -> Duration {
        self.called.elapsed()
    }
}
