//! What a flight, or a caller alone, runs: from a closure to its value.

use std::{
    any::Any,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::time::Instant;

use crate::context::{Context as CallContext, InContext};

/// Work that has not been started; every caller holds its own until its flight lands, so that it can always go alone.
pub(crate) trait Work<T>: Send + 'static {
    /// Boxes the work with the context of its call; it stays in that box whoever drives it. Called under a lock too: it
    /// runs no user code (invariant 6).
    fn boxed(self, context: CallContext) -> BoxedWork<T>;

    /// Likewise, for a caller that goes alone: without what only the work of a flight does, such as asking a fleet.
    fn boxed_alone(self, context: CallContext) -> BoxedWork<T>
    where
        Self: Sized,
    {
        self.boxed(context)
    }

    /// Returns whether the work brings a scope of its own, which is best called in the leader's task.
    fn is_scoped(&self) -> bool {
        false
    }
}

/// Work in its box. The box moves from the leader to the flight's task, and on to whoever takes the value; what is in it
/// does not.
pub(crate) type BoxedWork<T> = Pin<Box<dyn Drive<T>>>;

/// Work that is driven to its end, and keeps its value until that is taken.
pub(crate) trait Drive<T>: Send {
    /// Drives the work to its end; then nothing but its value is left, and it is not polled again. The first poll starts
    /// it, never under a lock (invariant 6).
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Says that a task which is not the caller's drives the work from here on, before its first poll.
    fn moved(self: Pin<&mut Self>) {}

    /// Returns whether its value may come from work that began before its own first poll: on another process, say. Asked
    /// under a lock: it runs no user code (invariant 6).
    fn may_be_older(&self) -> bool {
        false
    }

    /// Returns since when another process has run what the work waits for, if it waits for that. Asked under a lock: it
    /// runs no user code (invariant 6).
    fn began_elsewhere(&self) -> Option<Instant> {
        None
    }

    /// Returns whether followers may have the value, once the work has ended. Runs user code, so never under a lock
    /// (invariant 6).
    fn may_share(&self) -> bool;

    /// Drives the work to its end, and then says whether followers may have the value: one virtual call rather than two.
    fn poll_to_share(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        ready!(self.as_mut().poll_end(cx));
        Poll::Ready(self.may_share())
    }

    /// Returns whether this run's value speaks for the next run's, too: that would be for its leader alone as well, so
    /// those who wait for it are told now, and go alone at once, each with its own work. Asked under a lock, of work
    /// that has ended and whose value followers may not have: it runs no user code (invariant 6).
    fn speaks_for_next(&self) -> bool {
        false
    }

    /// Returns what is told to followers that may not have the value. Asked under a lock, if there are any: it runs no
    /// user code (invariant 6).
    fn note(&self) -> Option<Note> {
        None
    }

    /// Takes the value, once, after the end. Called under a lock too: it neither clones nor drops it (invariant 6).
    fn take_value(self: Pin<&mut Self>) -> T;

    /// Takes the value, and frees the box: one virtual call rather than three.
    fn into_value(mut self: Pin<Box<Self>>) -> T {
        self.as_mut().take_value()
    }
}

/// What work tells the followers that may not have its value. It reaches each of them with its own work; the group hands
/// it on and never looks into it.
pub(crate) type Note = Arc<dyn Any + Send + Sync>;

/// Says whether followers may have a value.
pub(crate) type ShareIf<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// A closure and the future that it makes, in their context; then the value of that.
#[pin_project]
pub(crate) struct Closure<T, F, Fut> {
    #[pin]
    stage: ClosureStage<T, F, Fut>,
    share_if: Option<ShareIf<T>>,
}

#[pin_project(project = ClosureStageProj)]
enum ClosureStage<T, F, Fut> {
    Running {
        #[pin]
        future: InContext<Start<F, Fut>, T>,
    },
    Ended {
        value: Option<T>,
    },
}

/// A closure that is called at the first poll, then the future that it has made.
#[pin_project(project = StartProj)]
pub(crate) enum Start<F, Fut> {
    Ready {
        start: Option<F>,
    },
    Running {
        #[pin]
        future: Fut,
    },
}

impl<F, Fut> Future for Start<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    type Output = Fut::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        if let StartProj::Ready { start } = self.as_mut().project() {
            if let Some(start) = start.take() {
                let future = start();
                self.set(Self::Running { future });
            }
        }
        match self.project() {
            StartProj::Running { future } => future.poll(cx),
            StartProj::Ready { .. } => panic!("a call was polled after it had panicked"),
        }
    }
}

impl<T, F, Fut> Closure<T, F, Fut>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    /// Boxes work; without `share_if` all followers may have its value.
    #[inline]
    pub(crate) fn boxed(start: F, share_if: Option<ShareIf<T>>, context: CallContext) -> BoxedWork<T> {
        let future = InContext::new(Start::Ready { start: Some(start) }, context);
        Box::pin(Self { stage: ClosureStage::Running { future }, share_if })
    }
}

impl<T, F, Fut> Drive<T> for Closure<T, F, Fut>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut stage = self.project().stage;
        let ClosureStageProj::Running { future } = stage.as_mut().project() else {
            panic!("a call was polled after it had panicked")
        };
        let value = Some(ready!(future.poll(cx)));
        stage.set(ClosureStage::Ended { value });
        Poll::Ready(())
    }

    fn moved(self: Pin<&mut Self>) {
        if let ClosureStageProj::Running { future } = self.project().stage.project() {
            future.moved();
        }
    }

    fn may_share(&self) -> bool {
        let ClosureStage::Ended { value: Some(value) } = &self.stage else { return false };
        self.share_if.as_ref().is_none_or(|share_if| share_if(value))
    }

    fn take_value(self: Pin<&mut Self>) -> T {
        let ClosureStageProj::Ended { value } = self.project().stage.project() else {
            unreachable!("the work has not ended")
        };
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
    /// Inlined: made in place, and not handed over in registers and on the stack, which took 14 instructions more.
    #[inline(always)]
    fn boxed(self, context: CallContext) -> BoxedWork<T> {
        Closure::boxed(self, None, context)
    }
}
