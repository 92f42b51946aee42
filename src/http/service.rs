//! The HTTP service: it classifies a request, and registers its caller on a flight or sends it alone.

use std::{
    error::Error,
    fmt,
    mem::replace,
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
    content::RequestContent,
    fetch::Fetch,
    future::HttpResponseFuture,
    group::HttpGroup,
    plan::{Alone, Plan},
    requester::Requester,
    rule::Rule,
    shadow::{Shadow, ShadowCall, Watched},
    watch::HttpWatch,
};
use crate::{Reason, Role, rare::Rare};

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
    /// `Some` if the layer only tries what it would do.
    shadow: Option<Shadow>,
}

impl<S> HttpSingleflight<S> {
    pub(super) fn new(inner: S, coalescer: Arc<Coalescer>, shadow: Option<Shadow>) -> Self {
        Self { inner, coalescer, shadow }
    }

    /// Returns the group of this service: the one that was given, or else its own, for requests that do not show the
    /// URI they were asked for. The group of those that do is [`HttpSingleflightLayer::get_group`].
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

    pub(super) fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
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

    /// Always ready: a follower needs nothing of the wrapped service, and whether a caller will follow is not known
    /// before its request. In a dry run, as ready as the wrapped service: each request goes there.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        if self.shadow.is_some() {
            return self.inner.poll_ready(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.shadow.is_some() {
            return self.try_out(request);
        }
        let (mut parts, body) = request.into_parts();
        let watch = self.coalescer.watch(&parts);
        let kind = self.coalescer.config.kind(&parts);
        let plan = self.coalescer.plan(&mut parts, kind, &RequestContent::of(&body));
        self.send(parts, body, plan, watch)
    }
}

impl<S> HttpSingleflight<S> {
    /// Sends a request as it would be sent without the layer, which watches it.
    fn try_out<B, RB, E>(&mut self, request: Request<B>) -> HttpResponseFuture<S, B, RB, E>
    where
        S: Service<Request<B>> + Clone,
        B: Body,
    {
        let Some(shadow) = self.shadow.as_ref().filter(|shadow| !shadow.passes(&request)) else {
            return self.send_watched(request, None);
        };
        let (parts, body) = request.into_parts();
        let watched = shadow.watch(&parts, || RequestContent::of(&body));
        self.send_watched(Request::from_parts(parts, body), Some(watched))
    }

    /// Sends a request that may be watched, to the service that has been polled ready; `None`: it is not in the sample.
    pub(super) fn send_watched<B, RB, E>(
        &mut self,
        request: Request<B>,
        watched: Option<Watched>,
    ) -> HttpResponseFuture<S, B, RB, E>
    where
        S: Service<Request<B>> + Clone,
    {
        let next = self.inner.clone();
        let ready = replace(&mut self.inner, next);
        HttpResponseFuture::shadow(ShadowCall::new(ready, request, watched), Arc::clone(&self.coalescer))
    }

    /// Sends a request as it was planned.
    #[inline(always)]
    pub(super) fn send<B, RB, E>(
        &self,
        parts: request::Parts,
        body: B,
        plan: Result<(Plan, Requester), Alone>,
        watch: Rare<HttpWatch>,
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
        let (service, own) = (self.inner.clone(), Arc::clone(coalescer));
        let (plan, requester) = match plan {
            Ok(planned) => planned,
            Err(alone) => {
                coalescer.count_alone(alone.place, alone.rule, Reason::NoKey, watch.as_deref());
                let mut write = coalescer.write(&parts, alone.kind, alone.place, alone.rule);
                if let (Some(write), Some(watch)) = (&mut write, watch.as_deref()) {
                    write.watched_by(watch);
                }
                let bypass = Bypass::new(service, Request::from_parts(parts, body), write, alone);
                return HttpResponseFuture::bypass(bypass, own, watch);
            }
        };
        let (place, key) = (requester.place, requester.key.clone());
        let mut fetch = Fetch::new(service, Request::from_parts(parts, body), requester);
        if plan != Plan::Fly {
            fetch.as_mut().stay();
        }
        let group = || &coalescer.group(place).flights::<RB, E>().group;
        let profile = watch.as_deref().map(HttpWatch::profile);
        let profile = profile.as_ref();
        match plan {
            Plan::Fly => HttpResponseFuture::on_flight(group().run(key, fetch, profile), own, watch),
            Plan::Fresh => {
                let call = group().run_fresh(key, fetch, coalescer.config.reloads.fresh_wait, profile);
                HttpResponseFuture::on_next_flight(call, own, watch)
            }
            Plan::Lead => {
                let call = group().lead(key, fetch, profile);
                if let (Role::Alone(Reason::MayNotJoin), Some(watch)) = (call.role(), watch.as_deref()) {
                    watch.kept_apart(coalescer.marking().observers(), Rule::S13Reload);
                }
                HttpResponseFuture::on_flight(call, own, watch)
            }
            Plan::Unshareable => {
                coalescer.count_alone(place, Rule::D3Remembered, Reason::NotShareable, watch.as_deref());
                HttpResponseFuture::unshareable(fetch, own, watch)
            }
        }
    }
}

impl<S: Clone> Clone for HttpSingleflight<S> {
    fn clone(&self) -> Self {
        let Self { inner, coalescer, shadow } = self;
        Self { inner: inner.clone(), coalescer: Arc::clone(coalescer), shadow: shadow.clone() }
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
