//! The response future over HTTP: from a seat on a flight to a response of the caller's own.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::SharedBody,
    config::Shared,
    key::HttpKey,
    policy::Forwarded,
    work::{BoxedFetch, Landed},
};
use crate::{
    Reason, Role,
    group::{Call, Drive, Landing},
};

/// The response future of [`HttpSingleflight`](crate::HttpSingleflight).
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
}

enum State<S: Service<Request<B>>, B, RB, E> {
    /// On a flight.
    Aboard { call: Call<HttpKey, Landed<RB, E>, BoxedFetch<S, B, RB, E>>, regrouped: bool },
    /// In a call of its own: its request is sent once (S23).
    Alone { fetch: BoxedFetch<S, B, RB, E>, reason: Reason, forwarded: Forwarded },
}

impl<S: Service<Request<B>>, B, RB, E> HttpResponseFuture<S, B, RB, E> {
    pub(super) fn aboard(call: Call<HttpKey, Landed<RB, E>, BoxedFetch<S, B, RB, E>>) -> Self {
        Self { state: State::Aboard { call, regrouped: false } }
    }

    pub(super) fn alone(fetch: BoxedFetch<S, B, RB, E>, reason: Reason, forwarded: Forwarded) -> Self {
        Self { state: State::Alone { fetch, reason, forwarded } }
    }
}

impl<S: Service<Request<B>>, B, RB, E> State<S, B, RB, E> {
    /// Returns the state of a caller that no flight serves. One that has regrouped was released before.
    fn grounded(mut fetch: BoxedFetch<S, B, RB, E>, reason: Reason, regrouped: bool) -> Self {
        let released = match reason {
            Reason::NotShareable => true,
            // A call that its own waits for may hold the last permit.
            Reason::Reentrant => false,
            _ => regrouped,
        };
        fetch.as_mut().line_up(released);
        let forwarded = if released { Forwarded::Released } else { Forwarded::Bypass };
        Self::Alone { fetch, reason, forwarded }
    }
}

impl<S, B, RB, E> State<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body + Send + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Returns the state of a follower that may not have its leader's answer: it asks among those who agree with it in
    /// the fields that `Vary` names, under the key that they share (S9, D3).
    fn regrouped(mut fetch: BoxedFetch<S, B, RB, E>, variant: HttpKey) -> Self {
        fetch.as_mut().regroup(variant.clone());
        let shared = Arc::clone(&fetch.asker().shared);
        // The leader of such a flight waits for a permit.
        if shared.counts_already() || shared.group.unshareable().contains(&variant) {
            return Self::grounded(fetch, Reason::NotShareable, true);
        }
        fetch.as_mut().line_up(true);
        let call = shared.group.flights::<RB, E>().group.run(variant, fetch);
        Self::Aboard { call, regrouped: true }
    }
}

/// Makes a caller's own response of what its flight, or its own call, came to. `own` is what the follower's layer was
/// told, if it is a follower: it may have come by another layer of the group than its leader.
fn respond<RB, E>(
    landed: Landed<RB, E>,
    role: Role,
    forwarded: Forwarded,
    own: Option<&Shared>,
) -> Result<Response<SharedBody<RB>>, E> {
    let (mut head, body) = landed.answer?;
    own.unwrap_or(&landed.shared).head(&mut head, role, forwarded);
    Ok(Response::from_parts(head, body.into_reader()))
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
        loop {
            let next = match &mut self.state {
                State::Aboard { call, regrouped } => match ready!(call.poll_landing(cx)) {
                    Landing::Value(landed, role, own) => {
                        let landed = landed.take(role).value;
                        let key = own.as_ref().and_then(|own| own.asker().key.as_ref());
                        let mismatch = key.and_then(|key| landed.sharing.mismatch(key));
                        match (own, mismatch) {
                            (Some(own), Some(_)) if *regrouped => State::grounded(own, Reason::NotShareable, true),
                            (Some(own), Some(variant)) => State::regrouped(own, variant),
                            (own, _) => {
                                let forwarded = match role {
                                    Role::Leader if *regrouped => Forwarded::Released,
                                    Role::Leader => Forwarded::Leader,
                                    Role::Follower => Forwarded::Follower,
                                    Role::Alone(_) => Forwarded::Bypass,
                                };
                                let own = own.as_ref().map(|own| &*own.asker().shared);
                                return Poll::Ready(respond(landed, role, forwarded, own));
                            }
                        }
                    }
                    Landing::Grounded(fetch, reason, _) => State::grounded(fetch, reason, *regrouped),
                },
                State::Alone { fetch, reason, forwarded } => {
                    ready!(fetch.as_mut().poll_end(cx));
                    let landed = fetch.as_mut().take_value();
                    return Poll::Ready(respond(landed, Role::Alone(*reason), *forwarded, None));
                }
            };
            self.state = next;
        }
    }
}

impl<S: Service<Request<B>>, B, RB, E> fmt::Debug for HttpResponseFuture<S, B, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponseFuture").finish_non_exhaustive()
    }
}
