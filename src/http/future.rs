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
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    body::SharedBody,
    config::{Permit, Shared},
    fence::Fence,
    key::HttpKey,
    policy::Forwarded,
    work::{Asker, HttpWork, Landed},
};
use crate::{
    Outcome, Reason, Role,
    group::{Call, Landing},
};

pin_project! {
    /// The response future of [`HttpSingleflight`](crate::HttpSingleflight).
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the flight, which goes on for the others.
    #[must_use = "futures do nothing unless you await or poll them"]
    pub struct HttpResponseFuture<S: Service<Request<B>>, B, RB, E> {
        #[pin]
        state: State<S, B, RB, E>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Request<B>>, B, RB, E> {
        /// On a flight.
        Aboard { call: Call<HttpKey, Landed<RB, E>, HttpWork<S, B>>, regrouped: bool },
        /// Released, and waiting for one of the permits of `release_limit`.
        Released { permit: Permit, work: Option<HttpWork<S, B>> },
        /// In a call of its own.
        Alone { #[pin] call: Oneshot<S, Request<B>>, alone: Alone },
    }
}

/// What is kept beside a call that goes alone.
pub(super) struct Alone {
    pub(super) shared: Arc<Shared>,
    pub(super) reason: Reason,
    pub(super) forwarded: Forwarded,
    /// `Some` if the answer is to be judged: a shareable one ends the memory of the key as unshareable.
    pub(super) asker: Option<Asker>,
    /// Held until the answer is there, or given up.
    pub(super) fence: Option<Fence>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl<S: Service<Request<B>>, B, RB, E> HttpResponseFuture<S, B, RB, E> {
    pub(super) fn aboard(call: Call<HttpKey, Landed<RB, E>, HttpWork<S, B>>) -> Self {
        Self { state: State::Aboard { call, regrouped: false } }
    }

    pub(super) fn alone(service: S, request: Request<B>, alone: Alone) -> Self {
        Self { state: State::Alone { call: Oneshot::new(service, request), alone } }
    }
}

impl<S: Service<Request<B>>, B, RB, E> State<S, B, RB, E> {
    /// Returns the state of a caller that no flight serves.
    fn grounded(work: HttpWork<S, B>, reason: Reason) -> Self {
        let permit = (reason == Reason::NotShareable).then(|| work.asker.shared.permit()).flatten();
        match permit {
            Some(permit) => Self::Released { permit, work: Some(work) },
            None => Self::start(work, reason, None),
        }
    }

    /// Returns the state of a caller that sends its own request (S23: once).
    fn start(work: HttpWork<S, B>, reason: Reason, permit: Option<OwnedSemaphorePermit>) -> Self {
        let HttpWork { service, request, asker } = work;
        let forwarded = if reason == Reason::NotShareable { Forwarded::Released } else { Forwarded::Bypass };
        let shared = Arc::clone(&asker.shared);
        let alone = Alone { shared, reason, forwarded, asker: Some(asker), fence: None, permit };
        Self::Alone { call: Oneshot::new(service, request), alone }
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
    fn regrouped(mut work: HttpWork<S, B>, variant: HttpKey) -> Self {
        let shared = Arc::clone(&work.asker.shared);
        if work.asker.regrouped {
            return Self::grounded(work, Reason::NotShareable);
        }
        work.asker.regrouped = true;
        work.asker.key = variant.clone();
        if shared.group.unshareable().contains(&variant) {
            return Self::grounded(work, Reason::NotShareable);
        }
        let call = shared.group.flights::<RB, E>().group.run(variant, work);
        Self::Aboard { call, regrouped: true }
    }
}

impl Alone {
    fn finish<RB, E>(&mut self, result: Result<Response<RB>, E>) -> Result<Response<SharedBody<RB>>, E> {
        self.fence = None;
        self.permit = None;
        let (mut head, body) = result?.into_parts();
        if let Some(asker) = &self.asker {
            asker.judge(&head, |_| false);
        }
        self.shared.head(&mut head, Role::Alone(self.reason), self.forwarded);
        Ok(Response::from_parts(head, SharedBody::lone(body)))
    }
}

/// Makes a caller's own response of what its flight landed with; `own` is the work that a follower did not need.
fn respond<S, B, RB, E>(
    landed: Landed<RB, E>,
    role: Role,
    regrouped: bool,
    own: Option<HttpWork<S, B>>,
) -> Result<Response<SharedBody<RB>>, E> {
    // A follower may have come by another layer of the group than its leader: what that layer was told counts.
    let shared = own.map_or(landed.shared, |own| own.asker.shared);
    let (mut head, body) = landed.answer?;
    let forwarded = match role {
        Role::Leader if regrouped => Forwarded::Released,
        Role::Leader => Forwarded::Leader,
        Role::Follower => Forwarded::Follower,
        Role::Alone(_) => Forwarded::Bypass,
    };
    shared.head(&mut head, role, forwarded);
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Aboard { call, regrouped } => match ready!(call.poll_landing(cx)) {
                    Landing::Outcome(Outcome { value, role, .. }, own) => {
                        let mismatch = own.as_ref().and_then(|own| value.sharing.mismatch(&own.asker.key));
                        match (own, mismatch) {
                            (Some(own), Some(variant)) => State::regrouped(own, variant),
                            (own, _) => return Poll::Ready(respond(value, role, *regrouped, own)),
                        }
                    }
                    Landing::Grounded(work, reason) => State::grounded(work, reason),
                },
                StateProj::Released { permit, work } => {
                    let permit = ready!(permit.as_mut().poll(cx));
                    let Some(work) = work.take() else { panic!("a response future was polled after it had completed") };
                    State::start(work, Reason::NotShareable, permit)
                }
                StateProj::Alone { call, alone } => {
                    let result = ready!(call.poll(cx));
                    return Poll::Ready(alone.finish(result));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B, RB, E> fmt::Debug for HttpResponseFuture<S, B, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponseFuture").finish_non_exhaustive()
    }
}
