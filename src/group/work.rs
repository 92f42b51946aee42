//! What a flight, or a caller alone, runs: from a closure to its value.

use std::{
    any::Any,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

/// Work that has not been started; every caller holds its own until its flight lands, so that it can always go alone.
pub trait Work<T>: Send + 'static {
    /// Boxes the work, which stays in that box whoever drives it. Called under a lock too: it runs no user code
    /// (invariant 6).
    fn boxed(self) -> BoxedWork<T>;
}

/// Work in its box. The box moves from the leader to the flight's task, and on to whoever takes the value; what is in it
/// does not.
pub(crate) type BoxedWork<T> = Pin<Box<dyn Drive<T>>>;

/// Work that is driven to its end, and keeps its value until that is taken.
pub trait Drive<T>: Send {
    /// Drives the work to its end; then nothing but its value is left, and it is not polled again. The first poll starts
    /// it, never under a lock (invariant 6).
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Says who may have the value, once the work has ended. Runs user code, so never under a lock (invariant 6).
    fn sharing(&self) -> Share;

    /// Takes the value, once, after the end. Called under a lock too: it neither clones nor drops it (invariant 6).
    fn take_value(self: Pin<&mut Self>) -> T;
}

/// Who may have the value of work that has ended.
#[derive(Debug)]
pub enum Share {
    /// The leader and its followers.
    All,
    /// The leader alone. The note reaches every follower with its own work: it says what kept the value from them.
    Nobody(Option<Note>),
}

/// What work tells the followers that may not have its value. The group hands it on and never looks into it.
pub(crate) type Note = Arc<dyn Any + Send + Sync>;

/// Says whether followers may have a value.
pub(crate) type ShareIf<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

pin_project! {
    /// A closure, the future that it makes, the value of that.
    #[project = ClosureProj]
    pub(crate) enum Closure<T, F, Fut> {
        Ready { start: Option<F>, share_if: Option<ShareIf<T>> },
        Running { #[pin] future: Fut, share_if: Option<ShareIf<T>> },
        Ended { value: Option<T>, share_if: Option<ShareIf<T>> },
    }
}

impl<T, F, Fut> Closure<T, F, Fut>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    /// Boxes work; without `share_if` all followers may have its value.
    pub(crate) fn boxed(start: F, share_if: Option<ShareIf<T>>) -> BoxedWork<T> {
        Box::pin(Self::Ready { start: Some(start), share_if })
    }
}

impl<T, F, Fut> Drive<T> for Closure<T, F, Fut>
where
    T: Send,
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = T> + Send,
{
    fn poll_end(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let ClosureProj::Ready { start, share_if } = self.as_mut().project() {
            if let Some(start) = start.take() {
                let (future, share_if) = (start(), share_if.take());
                self.set(Self::Running { future, share_if });
            }
        }
        match self.as_mut().project() {
            ClosureProj::Running { future, share_if } => {
                let value = Some(ready!(future.poll(cx)));
                let share_if = share_if.take();
                self.set(Self::Ended { value, share_if });
                Poll::Ready(())
            }
            _ => panic!("a call was polled after it had panicked"),
        }
    }

    fn sharing(&self) -> Share {
        let Self::Ended { value: Some(value), share_if } = self else { return Share::Nobody(None) };
        match share_if.as_ref().is_none_or(|share_if| share_if(value)) {
            true => Share::All,
            false => Share::Nobody(None),
        }
    }

    fn take_value(self: Pin<&mut Self>) -> T {
        let ClosureProj::Ended { value, .. } = self.project() else { unreachable!("the work has not ended") };
        match value.take() {
            Some(value) => value,
            None => unreachable!("the value is taken once"),
        }
    }
}

impl<T, F, Fut> Work<T> for F
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    fn boxed(self) -> BoxedWork<T> {
        Closure::boxed(self, None)
    }
}
