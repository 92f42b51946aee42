//! The HTTP layer: what it is told, each in one named call.

mod keys;

use std::{any::type_name, sync::Arc, time::Duration};

use http::{Method, request};
use tower_layer::Layer;

use super::{
    config::{Config, Shared},
    content::{Content, Contents, GRPC_CONTENT, Heads, HttpContent},
    group::HttpGroup,
    key::HttpKey,
    policy::CacheName,
    service::HttpSingleflight,
};
use crate::Limits;

/// Coalesces HTTP requests, with no configuration safely: one line on a router, or round a client.
///
/// Only `GET` and `HEAD` without credentials, cookies, conditions, ranges or content share a flight, only with requests
/// that ask for the same in every respect, and only answers that a shared cache could hand to others reach them.
/// Everything else passes through. Each way to share more is one named call.
///
/// Takes any `Service<Request<B>, Response = Response<RB>>` with `RB::Data = Bytes`; its error must be `Clone`, for one
/// that is not see [`SharedError`](crate::SharedError). It adds no error of its own: the service keeps its error type.
///
/// # Guarantees
///
/// 1. One user's answer never reaches another: a request that carries who asks goes alone, and an answer that is marked
///    as one user's stays with the leader.
/// 2. Followers of an answer that they may not have send their own request, once.
/// 3. All readers get each frame of the body when the leader does; a lone response is passed through untouched.
/// 4. Untrusted input cannot grow its state.
///
/// # Trade-offs
///
/// What an outer layer knows of the user (a client certificate, an extension set by an auth layer) is invisible to the
/// key: put this layer outside any per-user decision, or name the user with [`identity`](Self::identity). It is no
/// cache: an answer is shared with those who waited for it, and then gone.
///
/// Each `layer` call makes a group of its own, but axum makes routes anew for every connection: all axum routes under
/// one layer value and its clones share a group, by URI. Give each application a layer of its own, not a clone, since
/// clients may claim any host; inside nested routers feature `axum` tells the URIs apart.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_singleflight::HttpSingleflightLayer;
///
/// let app: Router = Router::new()
///     .route("/report/{id}", get(|| async { "rows" }))
///     .layer(HttpSingleflightLayer::new());
/// # drop(app);
/// ```
#[derive(Clone, Debug)]
pub struct HttpSingleflightLayer<C = Heads> {
    config: Config,
    /// `None`: each service gets a group of its own, but for axum's routes.
    group: Option<HttpGroup>,
    /// What axum's routes share, whose keys tell them apart: axum makes the routes of handlers anew for each
    /// connection, and calls `layer` for each.
    routes: HttpGroup,
    content: C,
}

impl HttpSingleflightLayer {
    /// Returns the layer as it is safe for any service.
    pub fn new() -> Self {
        Self { config: Config::default(), group: None, routes: HttpGroup::new(), content: Heads }
    }
}

impl<C> HttpSingleflightLayer<C> {
    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Makes all services of this layer share a group, which keeps its own limits. They must answer equal requests
    /// alike.
    #[must_use]
    pub fn group(mut self, group: HttpGroup) -> Self {
        self.group = Some(group);
        self
    }

    /// Returns the group that was given, or else the one that axum's routes share: who is in flight.
    pub fn get_group(&self) -> &HttpGroup {
        self.group.as_ref().unwrap_or(&self.routes)
    }

    /// Sets the limits of the groups that this layer makes; one given by [`group`](Self::group) keeps its own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.routes = HttpGroup::with_limits(limits);
        self.with(|config| config.limits = limits)
    }

    /// Asks this of every request first; `false` sends it alone. The off switch, per route or request.
    #[must_use]
    pub fn coalesce_if<F>(self, coalesce_if: F) -> Self
    where
        F: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.coalesce_if = Some(Arc::new(coalesce_if)))
    }

    /// Adds methods without side effects that may coalesce, such as `QUERY`, or `POST` on a GraphQL endpoint without
    /// mutations. Their content belongs in the key: [`content_key`](Self::content_key).
    #[must_use]
    pub fn methods<I: IntoIterator<Item = Method>>(self, methods: I) -> Self {
        self.with(|config| config.policy.methods.extend(methods))
    }

    /// Makes content of up to `max_bytes` a part of the key, for requests that have some. One with more goes alone, its
    /// content whole and unchanged.
    ///
    /// The content is read before the request joins a flight. The wrapped service gets requests with a
    /// [`ContentBody`](crate::ContentBody).
    #[must_use]
    pub fn content_key(self, max_bytes: usize) -> HttpSingleflightLayer<Contents> {
        let Self { config, group, routes, .. } = self;
        HttpSingleflightLayer { config, group, routes, content: Contents::new(max_bytes) }
    }

    /// Sets whether failures, statuses 500 to 599 and errors, reach those who wait (default); else they try for
    /// themselves.
    #[must_use]
    pub fn share_server_errors(self, share: bool) -> Self {
        self.with(|config| config.policy.share_server_errors = share)
    }

    /// Lets followers have answers that set cookies, without the `Set-Cookie` fields. By default they are released.
    #[must_use]
    pub fn strip_set_cookie(self) -> Self {
        self.with(|config| config.policy.strip_set_cookie = true)
    }

    /// Copies this type from the extensions of the leader's response to those of its followers; no others are.
    #[must_use]
    pub fn share_extension<T: Clone + Send + Sync + 'static>(self) -> Self {
        self.with(|config| {
            config.share_extensions.push(|leaders, own| {
                if let Some(extension) = leaders.get::<T>() {
                    own.insert(extension.clone());
                }
            });
        })
    }

    /// Sets how many released followers make their own call at a time, until its head is there; by default all do at
    /// once.
    ///
    /// They wait for their turn as long as it takes, whatever their `max_wait`. What such a call asks through the same
    /// layer counts with it, unless it asks from another task: there it waits for a turn, which may be that of the call
    /// that waits for it.
    #[must_use]
    pub fn release_limit(self, calls: usize) -> Self {
        self.with(|config| config.release_limit = Some(calls.max(1)))
    }

    /// Sets how long a key whose answer could not be shared sends its requests alone (default 10 s), or until one can
    /// be.
    #[must_use]
    pub fn remember_unshareable(self, time: Duration) -> Self {
        self.with(|config| config.remember = time)
    }

    /// Sets how much of a body is kept between its fastest and its slowest reader, in bytes (default 1 MiB).
    #[must_use]
    pub fn window(self, bytes: usize) -> Self {
        self.with(|config| config.window = bytes)
    }

    /// Sets how long a reader may hold the others up without making progress (default 5 s); then its body ends in an
    /// error.
    #[must_use]
    pub fn stall(self, time: Duration) -> Self {
        self.with(|config| config.stall = time)
    }

    /// Adds `Cache-Status` (RFC 9211) to responses, under this name: what became of each request. Never the key.
    ///
    /// # Panics
    ///
    /// Panics if the name is not printable ASCII.
    #[must_use]
    #[track_caller]
    pub fn cache_status(self, name: &str) -> Self {
        let name = CacheName::new(name);
        self.with(|config| config.cache_status = Some(name))
    }

    /// Coalesces these gRPC methods, `/package.Service/Method`: unary ones without side effects.
    ///
    /// Their key is the path, the authority, the metadata less what belongs to one call or hop, and the message.
    #[must_use]
    pub fn grpc<I>(self, methods: I) -> HttpSingleflightLayer<Contents>
    where
        I: IntoIterator,
        I::Item: Into<String>,
        C: HttpContent,
    {
        let max = self.content.max().unwrap_or(GRPC_CONTENT);
        self.with(|config| config.grpc.extend(methods.into_iter().map(|method| method.into().into_boxed_str())))
            .content_key(max)
    }

    /// Returns the key of a request without content, for [`HttpGroup::callers`](crate::HttpGroup::callers); `None`: it
    /// goes alone.
    pub fn key(&self, parts: &request::Parts) -> Option<HttpKey> {
        self.shared(true).key(parts, &Content::Empty)
    }

    fn shared(&self, is_route: bool) -> Shared {
        let own = || if is_route { self.routes.clone() } else { HttpGroup::with_limits(self.config.limits) };
        Shared::new(self.config.clone(), self.group.clone().unwrap_or_else(own))
    }
}

impl<S, C: HttpContent> Layer<S> for HttpSingleflightLayer<C> {
    type Service = C::Service<HttpSingleflight<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        // By name, also below other layers: no feature has to be on for it, and a name that has changed costs sharing,
        // nothing else.
        let is_route = type_name::<S>().contains("axum::routing::");
        self.content.wrap(HttpSingleflight::new(inner, Arc::new(self.shared(is_route))))
    }
}

impl Default for HttpSingleflightLayer {
    fn default() -> Self {
        Self::new()
    }
}
