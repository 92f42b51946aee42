//! When, and in which span, somebody called who may lead a flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Event, Observers};
use crate::trace::LeaderSpan;

/// What those who watch want to know of a call, and of the flight that it leads. Made only where somebody watches, or for a
/// join window. The call and the flight share one `Arc` of it: so it can be cloned under a lock (invariant 6), and the clock is
/// read once.
pub(crate) struct LeaderCall {
    pub(crate) called: Instant,
    pub(crate) span: LeaderSpan,
    /// Who is told of it; `None` if nobody observes the group.
    observers: Option<Arc<Observers>>,
    /// How many of them are told: those that are added after the call are not.
    first: usize,
    /// What the caller's layer calls its kind of requests. `None` for a second call too: its end is told by the first.
    pub(super) label: Option<Arc<str>>,
    /// How long its flight took, in nanoseconds, if the leader itself has landed it; else 0.
    landed: AtomicU64,
    /// The caller follows another's flight.
    pub(super) follows: AtomicBool,
    /// The observers have been told of its beginning, and not yet how it ended.
    pub(super) open: AtomicBool,
}

impl LeaderCall {
    /// Returns that of a call which is made now; all who observe the group now are told of it.
    #[inline]
    pub(super) fn observed(observers: &Arc<Observers>, label: Option<Arc<str>>) -> Arc<Self> {
        let first = observers.count();
        Arc::new(Self { observers: Some(Arc::clone(observers)), first, label, ..Self::in_span(LeaderSpan::current()) })
    }

    /// Returns a second call of its caller, made now.
    #[cfg(feature = "http")]
    pub(crate) fn again(&self) -> Arc<Self> {
        let observers = self.observers.clone();
        Arc::new(Self { observers, first: self.first, ..Self::in_span(LeaderSpan::current()) })
    }

    #[inline]
    fn in_span(span: LeaderSpan) -> Self {
        Self {
            called: Instant::now(),
            span,
            observers: None,
            first: 0,
            label: None,
            landed: AtomicU64::new(0),
            follows: AtomicBool::new(false),
            open: AtomicBool::new(false),
        }
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
            (timed || span.is_some()).then(|| Arc::new(Self::in_span(span)))
        })
    }

    /// Tells those who observed the group when the call was made: who is told of an end has been told of its beginning.
    /// Never called under a lock (invariant 6).
    #[inline]
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(observers) = &self.observers {
            observers.tell(self.first, event);
        }
    }

    /// Notes that the leader itself has landed its flight, so long after its call: it has the outcome in the same poll.
    pub(crate) fn landed_after(&self, took: Duration) {
        self.landed.store(took.as_nanos().try_into().unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns what that has noted, if it was more than nothing.
    pub(super) fn landed(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.landed.load(Relaxed))).filter(|took| !took.is_zero())
    }

    pub(crate) fn age(&self) -> Duration {
        self.called.elapsed()
    }
}
