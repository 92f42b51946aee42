//! What a flight runs: a closure that makes a future, or a service with its request.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

/// Work that has not been started; every caller holds its own until its flight lands, so that it can always go alone.
pub trait Work<T>: Send + 'static {
    /// The work once it runs.
    type Future: Future<Output = T> + Send + 'static;

    /// Runs at the work's first poll, never under a lock (invariant 6).
    fn start(self) -> (Self::Future, Option<ShareIf<T>>);
}

impl<T, F, Fut> Work<T> for F
where
    T: 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    type Future = Fut;

    fn start(self) -> (Fut, Option<ShareIf<T>>) {
        (self(), None)
    }
}

/// Says whether followers may have the value; all may if there is nothing to ask.
#[expect(missing_debug_implementations, reason = "nobody outside can name it")]
pub enum ShareIf<T> {
    /// A rule of the crate's own.
    Rule(fn(&T) -> bool),
    /// What a user has given.
    Given(Arc<dyn Fn(&T) -> bool + Send + Sync>),
}

impl<T> ShareIf<T> {
    fn allows(&self, value: &T) -> bool {
        match self {
            Self::Rule(rule) => rule(value),
            Self::Given(share_if) => share_if(value),
        }
    }
}

impl<T> Clone for ShareIf<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Rule(rule) => Self::Rule(*rule),
            Self::Given(share_if) => Self::Given(Arc::clone(share_if)),
        }
    }
}

/// What the work of a flight ends with.
pub(super) struct Answer<T> {
    pub(super) value: T,
    /// What `share_if` said of the value.
    pub(super) share: bool,
}

/// The work of a flight: it moves from the leader to the flight's task, so it is boxed once and never moved again.
pub(super) type BoxedWork<T> = Pin<Box<dyn Future<Output = Answer<T>> + Send>>;

pin_project! {
    /// The leader's work, started by the flight's first poll.
    #[project = RunProj]
    pub(super) enum Run<T, W: Work<T>> {
        Ready { work: Option<W> },
        Running { #[pin] future: W::Future, share_if: Option<ShareIf<T>> },
    }
}

impl<T, W: Work<T>> Run<T, W> {
    pub(super) fn new(work: W) -> Self {
        Self::Ready { work: Some(work) }
    }
}

impl<T, W: Work<T>> Future for Run<T, W> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let RunProj::Ready { work } = self.as_mut().project() {
            if let Some(work) = work.take() {
                let (future, share_if) = work.start();
                self.set(Self::Running { future, share_if });
            }
        }
        match self.project() {
            RunProj::Running { future, share_if } => {
                let value = ready!(future.poll(cx));
                let share = share_if.as_ref().is_none_or(|share_if| share_if.allows(&value));
                Poll::Ready(Answer { value, share })
            }
            RunProj::Ready { .. } => unreachable!("work whose start panicked is dropped, not polled"),
        }
    }
}
