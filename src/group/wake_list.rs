//! The wakers that a transition sets free, to be woken once the lock is released (invariant 6).

use std::task::Waker;

use slab::Slab;

use crate::panic::{catch, discard};

/// Wakers taken out of a flight under the lock. Dropping it wakes nobody; call [`wake`](WakeList::wake).
#[derive(Default)]
#[must_use = "wakers wait to be woken"]
pub(super) struct WakeList {
    /// The leader of a flight that ended, its followers, and its task.
    pub(super) leader: Option<Waker>,
    pub(super) waiters: Slab<Waker>,
    pub(super) task: Option<Waker>,
    /// Who drives the flight that may start now.
    pub(super) successor: Option<Waker>,
}

impl WakeList {
    /// Wakes them all. A waker that panics belongs to another caller, and so fails neither the caller that wakes it nor those
    /// that are woken after it (invariant 8).
    #[inline]
    pub(super) fn wake(self) {
        if self.leader.is_some() || self.task.is_some() || self.successor.is_some() || !self.waiters.is_empty() {
            self.wake_all();
        }
    }

    fn wake_all(self) {
        let Self { leader, waiters, task, successor } = self;
        let waiters = waiters.into_iter().map(|(_, waker)| waker);
        let mut wakers = successor.into_iter().chain(task).chain(leader).chain(waiters);
        while let Err(payload) = catch(|| wakers.by_ref().for_each(Waker::wake)) {
            discard(payload);
        }
    }
}
