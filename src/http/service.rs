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
    bypass::Bypass,
    coalescer::Coalescer,
    config::{Grpc, Kind},
    content::RequestContent,
    fetch::Fetch,
    future::HttpResponseFuture,
    group::HttpGroup,
    key::HttpKey,
    plan::Plan,
    requester::Requester,
};

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
///
/// # Errors
///
/// Those of the wrapped service, cloned for every caller who shares one. It has none of its own.
pub struct HttpSingleflight<S> {
    inner: S,
    coalescer: Arc<Coalescer>,
}

impl<S> HttpSingleflight<S> {
    pub(super) fn new(inner: S, coalescer: Arc<Coalescer>) -> Self {
        Self { inner, coalescer }
    }

    /// Returns the group of this service: the one that was given, or else its own, which holds the requests that do not
    /// show the URI they were asked for. Those that do are in [`HttpSingleflightLayer::get_group`].
    ///
    /// [`HttpSingleflightLayer::get_group`]: crate::HttpSingleflightLayer::get_group
    pub fn group(&self) -> &HttpGroup {
        self.coalescer.service_group()
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

    pub(super) fn coalescer(&self) -> &Arc<Coalescer> {
        &self.coalescer
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
        let content = RequestContent::of(&body);
        let kind = self.coalescer.config.kind(&parts);
        self.send(parts, kind, body, &content)
    }
}

impl<S> HttpSingleflight<S> {
    /// Sends a request of whose content this much is known.
    pub(super) fn send<B, RB, E>(
        &self,
        mut parts: request::Parts,
        kind: Kind,
        body: B,
        content: &RequestContent,
    ) -> HttpResponseFuture<S, B, RB, E>
    where
        S: Service<Request<B>, Response = Response<RB>, Error = E> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Clone + Send + Sync + 'static,
    {
        let coalescer = &self.coalescer;
        let place = coalescer.place(&parts);
        let plan = match coalescer.plan(&mut parts, kind, content, place) {
            Ok(plan) => plan,
            Err(rule) => {
                // Whoever may share a flight changes nothing.
                let write = coalescer.write(&parts, kind, place, rule);
                let request = Request::from_parts(parts, body);
                let bypass = Bypass::new(self.inner.clone(), request, write, rule);
                return HttpResponseFuture::bypass(bypass, Arc::clone(coalescer));
            }
        };
        let fetch = |key: HttpKey| {
            let facts = coalescer.config.policy.facts(&parts, key.has_deadline());
            let unary = kind.grpc == Grpc::OptedIn;
            let requester = Requester { coalescer: Arc::clone(coalescer), place, key, facts, unary, released: false };
            Fetch::new(self.inner.clone(), Request::from_parts(parts, body), requester)
        };
        let group = || &coalescer.group(place).flights::<RB, E>().group;
        let own = Arc::clone(coalescer);
        match plan {
            Plan::Fly(key) => HttpResponseFuture::on_flight(group().run(key.clone(), fetch(key)), own),
            Plan::Lead(key) => HttpResponseFuture::on_flight(group().lead(key.clone(), fetch(key)), own),
            Plan::Unshareable(key) => HttpResponseFuture::unshareable(fetch(key), own),
        }
    }
}

impl<S: Clone> Clone for HttpSingleflight<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), coalescer: Arc::clone(&self.coalescer) }
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
