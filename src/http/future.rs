//! The response future over HTTP: it waits for the flight, or for a call of its own, and makes the caller's response.

mod state;

use std::{
    error::Error,
    fmt,
    mem::forget,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use self::state::{Arrival, Flown, State};
use super::{
    answer::Tried,
    body::SharedBody,
    bypass::Bypass,
    coalescer::Coalescer,
    fetch::BoxedFetch,
    policy::Forwarded,
    respond::respond,
    rule::Rule,
    shadow::ShadowCall,
    watch::{HttpWatch, TellOnPanic},
};
use crate::{
    Outcome, Reason, Role,
    group::{Drive, Resolution},
    rare::Rare,
};

/// The response future of [`HttpSingleflight`](crate::http::HttpSingleflight).
///
/// # Cancel safety
///
/// Dropping it leaves the flight, which goes on for the others; the last one to leave drops the call of the wrapped
/// service, and so does one that goes alone.
///
/// # Panics
///
/// A panic of the wrapped service is raised again in every caller of the flight. Panics if polled after it has completed.
#[must_use = "futures do nothing unless you await or poll them"]
pub struct HttpResponseFuture<S: Service<Request<B>>, B, RB, E> {
    state: State<S, B, RB, E>,
    /// That of the caller's own layer, which may be another layer of the group than its leader's.
    coalescer: Arc<Coalescer>,
    /// `Some` if the layer is observed; `None` once the request has been answered.
    watch: Rare<HttpWatch>,
}

impl<S: Service<Request<B>>, B, RB, E> HttpResponseFuture<S, B, RB, E> {
    /// Inlined, since moving a call once more takes 60 instructions.
    #[inline(always)]
    pub(super) fn on_flight(call: Flown<S, B, RB, E>, coalescer: Arc<Coalescer>, watch: Rare<HttpWatch>) -> Self {
        let at = if call.role() == Role::Leader { None } else { Some(Instant::now()) };
        let arrival = Arrival { at, tried: Tried::default(), fresh: false };
        Self { state: State::OnFlight { call, arrival }, coalescer, watch }
    }

    /// Returns the future of a request on a flight whose work begins after the request came.
    pub(super) fn on_next_flight(call: Flown<S, B, RB, E>, coalescer: Arc<Coalescer>, watch: Rare<HttpWatch>) -> Self {
        let mut future = Self::on_flight(call, coalescer, watch);
        if let State::OnFlight { arrival, .. } = &mut future.state {
            arrival.fresh = true;
        }
        future
    }

    #[inline(always)]
    pub(super) fn bypass(bypass: Bypass<S, B>, coalescer: Arc<Coalescer>, watch: Rare<HttpWatch>) -> Self {
        Self { state: State::Bypass { bypass: Box::pin(bypass) }, coalescer, watch }
    }

    pub(super) fn shadow(call: ShadowCall<S, B>, coalescer: Arc<Coalescer>) -> Self {
        Self { state: State::Shadow { call }, coalescer, watch: Rare::NONE }
    }

    /// Returns the future of a request that goes alone: answers to its key could not be shared of late (D3).
    pub(super) fn unshareable(
        fetch: BoxedFetch<S, B, RB, E>,
        coalescer: Arc<Coalescer>,
        watch: Rare<HttpWatch>,
    ) -> Self {
        let (reason, rule) = (Reason::NotShareable, Some(Rule::D3Remembered));
        Self { state: State::Alone { fetch, reason, forwarded: Forwarded::Bypass, rule }, coalescer, watch }
    }
}

impl<S, B, RB, E> Future for HttpResponseFuture<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Clone + Send + Sync + 'static,
{
    type Output = Result<Response<SharedBody<RB>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { state, coalescer, watch } = &mut *self;
        let watching = TellOnPanic(watch);
        let watch = &mut *watching.0;
        let polled = loop {
            *state = match state {
                State::OnFlight { call, arrival } => {
                    let arrival = *arrival;
                    match call.poll_resolution(cx, watch.as_deref_mut().map(HttpWatch::of_flight)) {
                        Poll::Pending => break Poll::Pending,
                        // OnFlight => (answered | OnFlight | Alone): the answer of the flight, unless the caller is a
                        // follower that may not have it, and tries again or makes its own call.
                        Poll::Ready(Resolution::Value(answer, role, own)) => {
                            let outcome = answer.take(role, None::<()>);
                            if let Some(next) =
                                own.and_then(|own| State::declines(own, &outcome.value, arrival, watch.as_deref()))
                            {
                                // Put in place before the outcome is dropped, which may panic.
                                *state = next;
                                continue;
                            }
                            let (rule, forwarded) = (outcome.value.audience.rule, arrival.forwarded(role));
                            break respond(outcome, rule, forwarded, coalescer, watch);
                        }
                        // OnFlight => (OnFlight | Alone): no flight has an answer for the caller.
                        Poll::Ready(Resolution::Alone(fetch, reason, note)) => {
                            let followed = call.role() == Role::Follower || arrival.tried.any();
                            State::unserved(fetch, reason, note, arrival, followed, watch.as_deref())
                        }
                    }
                }
                // Shadow, Bypass, Alone => answered: the answer of the request's own call.
                State::Shadow { call } => break call.poll(cx),
                State::Bypass { bypass } => break bypass.as_mut().poll(cx, coalescer, watch),
                State::Alone { fetch, reason, forwarded, rule } => {
                    if fetch.as_mut().poll_end(cx).is_pending() {
                        break Poll::Pending;
                    }
                    let role = Role::Alone(*reason);
                    let outcome = Outcome { value: fetch.as_mut().take_value(), role, callers: 1 };
                    break respond(outcome, *rule, *forwarded, coalescer, watch);
                }
            };
        };
        forget(watching);
        polled
    }
}

impl<S: Service<Request<B>>, B, RB, E> fmt::Debug for HttpResponseFuture<S, B, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponseFuture").finish_non_exhaustive()
    }
}
