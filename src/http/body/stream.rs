//! The shared state with its lock, and the waker of the inner body.

use std::{sync::Arc, task::Wake};

use super::{deferred::Deferred, end::BodyEnd, error::BodyError, observe::BodyWatch, state::State, step::WaitFor};
use crate::{
    sync::{Mutex, MutexGuard, lock},
    trace,
};

/// One body, shared by its readers.
pub(super) struct Stream<B> {
    state: Mutex<State<B>>,
    /// `Some` if anybody watches.
    watch: Option<BodyWatch>,
}

impl<B> Stream<B> {
    pub(super) const fn new(state: State<B>, watch: Option<BodyWatch>) -> Self {
        Self { state: Mutex::new(state), watch }
    }

    /// Does what was put off. Never called under the lock (invariant 6).
    pub(super) fn run(&self, deferred: Deferred) {
        let Deferred { cut, held, readers, .. } = deferred;
        deferred.wake();
        if cut > 0 {
            trace::lagged(cut);
        }
        if let Some(watch) = &self.watch {
            watch.tell(held, cut, readers);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<B>> {
        lock(&self.state)
    }
}

/// The inner body is ready: all who wait for it are woken, and the first of them polls it (invariants 3, 4).
impl<B> Wake for Stream<B> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut deferred = Deferred::default();
        let mut state = self.lock();
        state.ready = true;
        state.take_wakers(WaitFor::Body, &mut deferred);
        drop(state);
        self.run(deferred);
    }
}

/// Ends the body should its poll panic.
pub(super) struct PanicGuard<'a, B> {
    stream: &'a Stream<B>,
    armed: bool,
}

impl<'a, B> PanicGuard<'a, B> {
    pub(super) const fn new(stream: &'a Stream<B>) -> Self {
        Self { stream, armed: true }
    }

    pub(super) fn done(mut self) {
        self.armed = false;
    }
}

impl<B> Drop for PanicGuard<'_, B> {
    fn drop(&mut self) {
        if self.armed {
            let deferred = self.stream.lock().finish(BodyEnd::Error(BodyError::panicked()));
            self.stream.run(deferred);
        }
    }
}
