//! The shared state with its lock, and the waker of the inner body.

use std::{sync::Arc, task::Wake, time::Duration};

use super::{
    checked::Missing,
    deferred::Deferred,
    end::End,
    error::BodyError,
    origin::{Hints, Origin},
    spill::Log,
    state::State,
    step::WaitFor,
};
use crate::{
    sync::{Mutex, MutexGuard, lock},
    trace,
};

/// One body, shared by its readers.
pub(super) struct Stream<B> {
    state: Mutex<State<B>>,
    on_cut: Option<Arc<OnCut>>,
}

/// Is told how many readers were cut just now.
pub(in crate::http) struct OnCut(Box<dyn Fn(usize) + Send + Sync>);

impl OnCut {
    pub(in crate::http) fn new(on_cut: impl Fn(usize) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Box::new(on_cut)))
    }
}

impl<B> Stream<B> {
    pub(super) fn new(
        body: Origin<B>,
        missing: Missing,
        hints: Hints,
        log: Log,
        window: usize,
        stall: Duration,
        on_cut: Option<Arc<OnCut>>,
    ) -> Self {
        Self { state: Mutex::new(State::new(body, missing, hints, log, window, stall)), on_cut }
    }

    /// Says that readers were cut, to whoever is to be told. Never called under the lock (invariant 6).
    pub(super) fn tell_cut(&self, readers: usize) {
        if readers == 0 {
            return;
        }
        trace::lagged(readers);
        if let Some(on_cut) = &self.on_cut {
            (on_cut.0)(readers);
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
        deferred.wake();
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
            let deferred = self.stream.lock().finish(End::Error(BodyError::panicked()));
            deferred.wake();
        }
    }
}
