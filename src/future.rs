//! The response future.

use std::{
    fmt,
    hash::Hash,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use crate::{dry_run::Watched, group::Call, observe::Inspects, work::ServiceWork};

/// The response future of [`Singleflight`](crate::Singleflight): it waits for the outcome of its flight.
///
/// # Cancel safety
///
/// Dropping it leaves the flight, as dropping a [`Call`] does.
///
/// # Panics
///
/// A panic of the wrapped service is raised again here. Panics if polled after it has completed.
#[must_use = "futures do nothing unless you await or poll them"]
pub struct ResponseFuture<S, K, Req, T> {
    call: Call<K, T, ServiceWork<S, K, Req, T>>,
    inspect: Option<Arc<Inspects>>,
    /// `Some` if the layer only tries what it would do, until the outcome is there.
    watched: Option<Watched<K, T>>,
}

impl<S, K, Req, T> ResponseFuture<S, K, Req, T> {
    pub(crate) fn new(call: Call<K, T, ServiceWork<S, K, Req, T>>, inspect: Option<Arc<Inspects>>) -> Self {
        Self { call, inspect, watched: None }
    }

    /// Returns the future of a call that is made as it would be without the layer, and is watched.
    pub(crate) fn watched(call: Call<K, T, ServiceWork<S, K, Req, T>>, watched: Watched<K, T>) -> Self {
        Self { call, inspect: None, watched: Some(watched) }
    }
}

impl<S, K, Req, Res, Err> Future for ResponseFuture<S, K, Req, Result<Res, Err>>
where
    S: Service<Req, Response = Res, Error = Err> + Send + 'static,
    S::Future: Send + 'static,
    K: Hash + Eq + Send + Sync + 'static,
    Req: Send + 'static,
    Res: Clone + Send + Sync + 'static,
    Err: Clone + Send + Sync + 'static,
{
    type Output = Result<Res, Err>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(watched) = &mut self.watched {
            watched.polling();
        }
        let outcome = ready!(self.call.poll_outcome(cx));
        if let Some(inspect) = &self.inspect {
            inspect.tell(outcome.role, outcome.callers);
        }
        if let Some(watched) = self.watched.take() {
            watched.end(&outcome.value);
        }
        Poll::Ready(outcome.value)
    }
}

impl<S, K, Req, T> fmt::Debug for ResponseFuture<S, K, Req, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
