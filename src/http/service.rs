//! The HTTP service: what is asked, whether it may be shared, a seat on the flight.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::Body;
use tower_service::Service;

use super::{
    body::SharedBody,
    config::{Plan, Shared},
    content::Content,
    future::HttpResponseFuture,
    group::HttpGroup,
    policy::Forwarded,
    work::{Asker, Fetch},
};
use crate::Reason;

/// A service that coalesces HTTP requests; made by [`HttpSingleflightLayer`](crate::HttpSingleflightLayer).
///
/// Clones share the group: give one to each connection or task.
///
/// # Cancel safety
///
/// Dropping the response future leaves the flight, and dropping a body stops reading it; both go on for the others.
/// When the last one has left, the call of the wrapped service, or its body, is dropped.
///
/// # Panics
///
/// A panic of the wrapped service is raised again in every caller of that flight.
pub struct HttpSingleflight<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> HttpSingleflight<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// Returns the group: who is in flight.
    pub fn group(&self) -> &HttpGroup {
        &self.shared.group
    }

    /// Returns the wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl<S, B, RB, E> Service<Request<B>> for HttpSingleflight<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Clone + Send + Sync + 'static,
{
    type Response = Response<SharedBody<RB>>;
    type Error = E;
    type Future = HttpResponseFuture<S, B, RB, E>;

    /// Always ready: a follower needs nothing of the wrapped service, and who follows is not known before the request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let content = Content::of(&body);
        self.send(parts, body, &content)
    }
}

impl<S> HttpSingleflight<S> {
    /// Sends a request of whose content this much is known.
    pub(super) fn send<B, RB, E>(
        &self,
        parts: request::Parts,
        body: B,
        content: &Content,
    ) -> HttpResponseFuture<S, B, RB, E>
    where
        S: Service<Request<B>, Response = Response<RB>, Error = E> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        E: Clone + Send + Sync + 'static,
    {
        let shared = &self.shared;
        let plan = shared.plan(&parts, content);
        let asked = shared.config.policy.asked(&parts);
        let fence = shared.fence(&parts);
        let fetch = |key| {
            let asker = Asker { shared: Arc::clone(shared), key, asked };
            Fetch::new(self.inner.clone(), Request::from_parts(parts, body), fence, asker)
        };
        let group = || &shared.group.flights::<RB, E>().group;
        match plan {
            Plan::Fly(key) => HttpResponseFuture::aboard(group().run(key.clone(), fetch(Some(key)))),
            Plan::Lead(key) => HttpResponseFuture::aboard(group().lead(key.clone(), fetch(Some(key)))),
            Plan::Unshareable(key) => {
                HttpResponseFuture::alone(fetch(Some(key)), Reason::NotShareable, Forwarded::Bypass)
            }
            Plan::Bypass(forwarded) => HttpResponseFuture::alone(fetch(None), Reason::NoKey, forwarded),
        }
    }
}

impl<S: Clone> Clone for HttpSingleflight<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<S: fmt::Debug> fmt::Debug for HttpSingleflight<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSingleflight")
            .field("inner", &self.inner)
            .field("group", self.group())
            .finish_non_exhaustive()
    }
}
