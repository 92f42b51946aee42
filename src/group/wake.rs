//! The wakers that a transition sets free, to be woken once the lock is released (invariant 6).

use std::{panic::resume_unwind, task::Waker};

use slab::Slab;

use super::panic::catch;

/// Wakers taken out of a flight under the lock. Dropping it wakes nobody; call [`wake`](Wakes::wake).
#[derive(Default)]
pub(super) struct Wakes {
    /// The callers parked on a flight that ended.
    pub(super) waiters: Slab<Waker>,
    /// The task of that flight.
    pub(super) task: Option<Waker>,
    /// Who drives the flight that may start now.
    pub(super) successor: Option<Waker>,
}

impl Wakes {
    pub(super) fn task(task: Option<Waker>) -> Self {
        Self { task, ..Self::default() }
    }

    /// Wakes them all, even past a waker that panics; the first panic is raised again at the end (invariant 8).
    pub(super) fn wake(self) {
        if self.waiters.is_empty() && self.task.is_none() && self.successor.is_none() {
            return;
        }
        let mut panic = None;
        let waiters = self.waiters.into_iter().map(|(_, waker)| waker);
        for waker in self.successor.into_iter().chain(self.task).chain(waiters) {
            if let Err(payload) = catch(|| waker.wake()) {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}
