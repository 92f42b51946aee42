//! One call as its group's observers see it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{Event, LeaderCall, Observers};
use crate::{Reason, Role};

/// A call that is observed. It ends with one event, at the latest when it is dropped; with none if nothing was told of it,
/// since its key or a function that was asked about it panicked, or since it was only tried.
pub(crate) struct Watch(Arc<LeaderCall>);

impl Watch {
    /// Begins with the call.
    #[cold]
    pub(crate) fn begin(observers: &Arc<Observers>, label: Option<Arc<str>>) -> Self {
        Self(LeaderCall::observed(observers, label))
    }

    /// Notes that the call is about to be told of, and whether the caller follows another's flight now.
    pub(crate) fn begins(&self, follows: bool) {
        self.0.follows.store(follows, Relaxed);
        self.0.open.store(true, Relaxed);
    }

    /// Returns when and where the call was made, and who is told of it.
    #[inline]
    pub(crate) fn call(&self) -> &Arc<LeaderCall> {
        &self.0
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// The call is made, and comes near no flight.
    #[cold]
    pub(crate) fn alone(&self, reason: Reason, why: &'static str) {
        self.begins(false);
        self.0.tell(&Event::Alone { reason, why, label: self.label() });
    }

    #[cold]
    pub(crate) fn released(&self, reason: Reason, why: &'static str) {
        self.0.follows.store(false, Relaxed);
        self.0.tell(&Event::Released { reason, why, label: self.label() });
    }

    #[cold]
    pub(crate) fn answered(self, role: Role, callers: usize) {
        // Who has landed its own flight has read the clock there.
        let landed = self.0.landed().filter(|_| role == Role::Leader);
        let waited = landed.unwrap_or_else(|| self.0.age());
        self.end(|label| Event::Answered { role, waited, callers, label });
    }

    #[cold]
    pub(crate) fn panicked(self) {
        let (follower, waited) = self.so_far();
        self.end(|label| Event::Panicked { follower, waited, label });
    }

    /// Returns whether the caller follows, and how long it has waited.
    fn so_far(&self) -> (bool, Duration) {
        (self.0.follows.load(Relaxed), self.0.age())
    }

    fn end<'a>(&'a self, event: impl FnOnce(Option<&'a str>) -> Event<'a>) {
        if self.0.open.swap(false, Relaxed) {
            self.0.tell(&event(self.label()));
        }
    }
}

impl Drop for Watch {
    #[cold]
    fn drop(&mut self) {
        if self.0.open.load(Relaxed) {
            let (follower, waited) = self.so_far();
            self.end(|label| Event::Left { follower, waited, label });
        }
    }
}
