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

/// A call that is observed. It ends with one event, at the latest when it is dropped.
pub(crate) struct Watch {
    observers: Arc<Observers>,
    call: Arc<LeaderCall>,
    label: Option<Arc<str>>,
    ended: bool,
    /// The caller follows another's flight. Atomic only so that a watch can be shared by reference.
    follower: AtomicBool,
}

impl Watch {
    /// Begins with the call.
    pub(crate) fn begin(observers: &Arc<Observers>, call: Arc<LeaderCall>, label: Option<Arc<str>>) -> Self {
        Self { observers: Arc::clone(observers), call, label, ended: false, follower: AtomicBool::new(false) }
    }

    /// Notes whether the caller follows another's flight now.
    pub(crate) fn follows(&self, follower: bool) {
        self.follower.store(follower, Relaxed);
    }

    fn waited(&self) -> Duration {
        self.call.age()
    }

    /// Returns when and where the call was made, and how many observers are told of it.
    pub(crate) fn call(&self) -> &Arc<LeaderCall> {
        &self.call
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The call is made, and comes near no flight.
    #[cfg(feature = "http")]
    pub(crate) fn alone(&self, reason: Reason, why: &'static str) {
        self.observers.tell(self.call.observers, &Event::Alone { reason, why, label: self.label() });
    }

    pub(crate) fn released(&self, reason: Reason, why: &'static str) {
        self.follows(false);
        self.observers.tell(self.call.observers, &Event::Released { reason, why, label: self.label() });
    }

    pub(crate) fn answered(mut self, role: Role, callers: usize) {
        self.ended = true;
        // Who has landed its own flight has read the clock there.
        let landed = self.call.landed().filter(|_| role == Role::Leader);
        let waited = landed.unwrap_or_else(|| self.waited());
        self.observers.tell(self.call.observers, &Event::Answered { role, waited, callers, label: self.label() });
    }

    /// There was no call: nothing is told.
    pub(crate) fn of_no_call(mut self) {
        self.ended = true;
    }

    pub(crate) fn panicked(mut self) {
        self.ended = true;
        let follower = self.follower.load(Relaxed);
        self.observers
            .tell(self.call.observers, &Event::Panicked { follower, waited: self.waited(), label: self.label() });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            let follower = self.follower.load(Relaxed);
            self.observers
                .tell(self.call.observers, &Event::Left { follower, waited: self.waited(), label: self.label() });
        }
    }
}
