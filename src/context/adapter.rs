//! A future that is polled in the context of its caller, whichever task polls it.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{self, Poll, ready},
};

use pin_project::pin_project;

use super::{BoxFuture, Context, Scope};

/// Drives a future in the span of its first poll, inside what the scope makes of it.
#[pin_project]
pub(crate) struct InContext<F, T> {
    /// Its span is that of the call until the first poll, from then on that of the first poll.
    context: Context,
    /// Somebody has polled it, or is about to in a task that is not the caller's: the span is settled.
    settled: bool,
    #[pin]
    state: State<F, T>,
}

#[pin_project(project = StateProj)]
enum State<F, T> {
    /// There is no scope, and the future stays in its place.
    Plain {
        #[pin]
        future: F,
    },
    /// The first poll hands the future to the scope.
    Unscoped {
        future: Option<F>,
        scope: Scope,
    },
    Scoped {
        wrapped: BoxFuture,
        output: Output<T>,
    },
}

/// Where work inside a scope leaves its output, since a scope's future has none. Nobody waits for this lock.
type Output<T> = Arc<Mutex<Option<T>>>;

impl<F, T> InContext<F, T> {
    /// Puts a future into the context of its call. Runs no user code, so it may be called under a lock (invariant 6).
    #[inline]
    pub(crate) fn new(future: F, mut context: Context) -> Self {
        let state = match context.take_scope() {
            None => State::Plain { future },
            Some(scope) => State::Unscoped { future: Some(future), scope },
        };
        Self { context, settled: false, state }
    }

    /// Settles the context as the first poll does, and does not poll the future: for work that waits for something else
    /// first, and may be in another task when that is over.
    #[cfg(feature = "http")]
    pub(crate) fn begin(self: Pin<&mut Self>)
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let this = self.project();
        if !*this.settled {
            *this.settled = true;
            this.context.settle();
        }
        let state = this.state;
        this.context.run(|| state.begin());
    }

    /// Says that a task other than the caller's makes the next poll: if that is the first, the span is the call's.
    pub(crate) fn moved(self: Pin<&mut Self>) {
        *self.project().settled = true;
    }
}

impl<F, T> Future for InContext<F, T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        let this = self.project();
        if !*this.settled {
            *this.settled = true;
            this.context.settle();
        }
        let state = this.state;
        this.context.run(|| state.poll(cx))
    }
}

impl<F, T> State<F, T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        match self.as_ref().get_ref() {
            Self::Plain { .. } => {}
            Self::Unscoped { .. } | Self::Scoped { .. } => return self.poll_scoped(cx),
        }
        match self.project() {
            StateProj::Plain { future } => future.poll(cx),
            _ => unreachable!("it was plain a moment ago"),
        }
    }

    /// Hands the future to the scope, if there is one that has not got it yet.
    fn begin(mut self: Pin<&mut Self>) {
        if let StateProj::Unscoped { future, scope } = self.as_mut().project() {
            let Some(future) = future.take() else { panic!("work was polled after its scope had panicked") };
            let output = Output::default();
            let slot = Arc::clone(&output);
            let work = Box::pin(async move {
                // Dropped after the value has been put away: if that panics, the compiler leaks what an `await` returns.
                let mut future = pin!(future);
                let value = future.as_mut().await;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            });
            let wrapped = (scope.0)(work);
            self.set(Self::Scoped { wrapped, output });
        }
    }

    #[cold]
    fn poll_scoped(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        self.as_mut().begin();
        let StateProj::Scoped { wrapped, output } = self.project() else { unreachable!("the scope has it now") };
        ready!(wrapped.as_mut().poll(cx));
        let value = output.lock().unwrap_or_else(PoisonError::into_inner).take();
        match value {
            Some(value) => Poll::Ready(value),
            None => panic!("the future that the scope returned ended without having driven the work to its end"),
        }
    }
}
