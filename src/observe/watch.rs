//! One call as its group's observers see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Event, LeaderCall, Observers};
use crate::{Reason, Role};

/// A call that is observed. It ends with one event, at the latest when it is dropped; with none if nothing was told of
/// it, since it was only tried, or its key or a function that was asked about it panicked.
pub(crate) struct Watch {
    observers: Arc<Observers>,
    call: LeaderCall,
    /// What the caller's layer calls its kind of requests.
    label: Option<Arc<str>>,
    /// How long its flight took, if the caller itself has landed it: it has the outcome in the same poll.
    took: Option<Duration>,
    /// The caller follows another's flight.
    follows: AtomicBool,
    /// The observers have been told of its beginning, and not yet how it ended.
    open: AtomicBool,
}

impl Watch {
    /// Begins as the call is made: all who observe the group now are told of it.
    #[inline]
    pub(crate) fn begin(observers: &Arc<Observers>, label: Option<Arc<str>>) -> Self {
        let call = LeaderCall::observed(observers.count());
        let (follows, open) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { observers: Arc::clone(observers), call, label, took: None, follows, open }
    }

    /// Notes that observers are about to be told of the call, and whether the caller follows another's flight now.
    pub(crate) fn begins(&self, follows: bool) {
        self.follows.store(follows, Relaxed);
        self.open.store(true, Relaxed);
    }

    /// Returns when and where the call was made.
    #[inline]
    pub(crate) fn call(&self) -> &LeaderCall {
        &self.call
    }

    /// Returns how many observers are told of the call, from the first on.
    #[cfg(feature = "http")]
    pub(crate) fn told(&self) -> usize {
        self.call.told
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Tells those who observed the group when the call was made, so that whoever is told of an end has been told of
    /// the beginning. Never called under a lock (invariant 6).
    #[inline]
    pub(crate) fn tell(&self, event: &Event<'_>) {
        self.observers.tell(self.call.told, event);
    }

    /// Tells that the call is made, and comes near no flight.
    #[cold]
    pub(crate) fn alone(&self, reason: Reason, why: &'static str) {
        self.begins(false);
        self.tell(&Event::Alone { reason, why, label: self.label() });
    }

    #[cold]
    pub(crate) fn released(&self, reason: Reason, why: &'static str) {
        self.follows.store(false, Relaxed);
        self.tell(&Event::Released { reason, why, label: self.label() });
    }

    /// Notes that the caller itself lands the flight that it leads by this call, `took` after the call.
    #[inline]
    pub(crate) fn lands(&mut self, call: &LeaderCall, took: Duration) {
        if call.called == self.call.called {
            self.took = Some(took);
        }
    }

    #[inline]
    pub(crate) fn answered(self, role: Role, callers: usize) {
        // A leader that has landed its own flight has read the clock there.
        let waited = self.took.filter(|_| role == Role::Leader).unwrap_or_else(|| self.call.age());
        self.end(|label| Event::Answered { role, waited, callers, label });
    }

    #[cold]
    pub(crate) fn panicked(self) {
        let (follower, waited) = self.so_far();
        self.end(|label| Event::Panicked { follower, waited, label });
    }

    /// Returns whether the caller follows, and how long it has waited.
    fn so_far(&self) -> (bool, Duration) {
        (self.follows.load(Relaxed), self.call.age())
    }

    #[inline]
    fn end<'a>(&'a self, event: impl FnOnce(Option<&'a str>) -> Event<'a>) {
        if self.open.load(Relaxed) {
            self.open.store(false, Relaxed);
            self.tell(&event(self.label()));
        }
    }

    #[cold]
    fn left(&self) {
        let (follower, waited) = self.so_far();
        self.end(|label| Event::Left { follower, waited, label });
    }
}

impl Drop for Watch {
    #[inline]
    fn drop(&mut self) {
        if self.open.load(Relaxed) {
            self.left();
        }
    }
}
