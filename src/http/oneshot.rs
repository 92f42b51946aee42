//! One call of the wrapped service: its readiness, then its answer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower_service::Service;

/// As tower's `Oneshot`, which is not inlined reliably: requests and responses are large, and were moved three times more,
/// for 120 instructions.
#[pin_project(project = OneshotProj)]
pub(super) enum Oneshot<S: Service<R>, R> {
    /// `None` once it has been called.
    Waiting { service: S, request: Option<R> },
    Called {
        #[pin]
        future: S::Future,
    },
    /// Its future is dropped as soon as it has answered.
    Done,
}

impl<S: Service<R>, R> Oneshot<S, R> {
    #[inline]
    pub(super) const fn new(service: S, request: R) -> Self {
        Self::Waiting { service, request: Some(request) }
    }
}

impl<S: Service<R>, R> Future for Oneshot<S, R> {
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let OneshotProj::Waiting { service, request } = self.as_mut().project() {
            if let Err(error) = ready!(service.poll_ready(cx)) {
                return Poll::Ready(Err(error));
            }
            let Some(request) = request.take() else { panic!("a call was polled after it had panicked") };
            let future = service.call(request);
            self.set(Self::Called { future });
        }
        let OneshotProj::Called { future } = self.as_mut().project() else {
            panic!("a call was polled after it had completed")
        };
        let answer = ready!(future.poll(cx));
        self.set(Self::Done);
        Poll::Ready(answer)
    }
}
