//! One call as its group's observers see it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Event, Observers};
use crate::{Reason, Role};

/// A call that is observed. It ends with one event, at the latest when it is dropped.
pub(crate) struct Watch {
    observers: Arc<Observers>,
    /// How many there were when the call was made; those who came later are told nothing of it.
    first: usize,
    called: Instant,
    label: Option<Arc<str>>,
    ended: bool,
    /// The caller follows another's flight. Atomic only so that a watch can be shared by reference.
    follower: AtomicBool,
}

impl Watch {
    /// Begins with the call; `first`: how many observers there are.
    pub(crate) fn begin(observers: &Arc<Observers>, first: usize, label: Option<Arc<str>>) -> Self {
        Self {
            observers: Arc::clone(observers),
            first,
            called: Instant::now(),
            label,
            ended: false,
            follower: AtomicBool::new(false),
        }
    }

    /// Notes whether the caller follows another's flight now.
    pub(crate) fn follows(&self, follower: bool) {
        self.follower.store(follower, Relaxed);
    }

    fn waited(&self) -> Duration {
        self.called.elapsed()
    }

    /// Returns how many observers are told of the call.
    #[cfg(feature = "http")]
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The call is made, and comes near no flight.
    #[cfg(feature = "http")]
    pub(crate) fn alone(&self, reason: Reason, why: &'static str) {
        self.observers.tell(self.first, &Event::Alone { reason, why, label: self.label() });
    }

    pub(crate) fn released(&self, reason: Reason, why: &'static str) {
        self.follows(false);
        self.observers.tell(self.first, &Event::Released { reason, why, label: self.label() });
    }

    pub(crate) fn answered(mut self, role: Role, callers: usize) {
        self.ended = true;
        let waited = self.waited();
        self.observers.tell(self.first, &Event::Answered { role, waited, callers, label: self.label() });
    }

    pub(crate) fn panicked(mut self) {
        self.ended = true;
        let follower = self.follower.load(Relaxed);
        self.observers.tell(self.first, &Event::Panicked { follower, waited: self.waited(), label: self.label() });
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.ended {
            let follower = self.follower.load(Relaxed);
            self.observers.tell(self.first, &Event::Left { follower, waited: self.waited(), label: self.label() });
        }
    }
}
