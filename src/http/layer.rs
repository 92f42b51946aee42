//! The HTTP layer: its settings, each by one named call.

mod answers;
#[cfg(feature = "dry-run")]
mod dry_run;
mod explain;
mod fields;
#[cfg(feature = "fleet")]
mod fleet;
mod keys;
mod observe;
mod reloads;
mod requests;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::request;
use tower_layer::Layer;

use super::{
    coalescer::Coalescer,
    config::Config,
    content::{Heads, HttpContent, RequestContent},
    group::HttpGroup,
    key::HttpKey,
    service::HttpSingleflight,
    shadow::Watcher,
};
use crate::{Limits, context::Scope};

/// Coalesces HTTP requests: one line on a router, or round a client.
///
/// With no configuration, only `GET` and `HEAD` without credentials, cookies, conditions, ranges or content share a
/// flight. They share it only with requests that are the same in every field, except those of [one
/// list](crate::guide::excepted_fields). And followers get only answers that a shared cache could hand to others.
/// Everything else passes through. Each way to share more is one named call.
///
/// Takes any `Service<Request<B>, Response = Response<RB>>` with `RB::Data = Bytes` and an error that is `Clone`; for
/// one that is not there is [`SharedError`](crate::SharedError). It adds no error of its own: the service keeps its
/// error type.
///
/// # Guarantees
///
/// 1. A request with `Authorization` or cookies goes alone. All other fields are in the key, except those of the list,
///    which name one call, hop or client: requests that differ in a field of the key never share. An answer that is
///    marked as one user's stays with the leader.
/// 2. A follower that may not have the leader's answer sends its own request, once.
/// 3. All readers get each frame of the body when the leader does; a lone response is passed through untouched.
/// 4. Untrusted input cannot grow its state.
///
/// # Trade-offs
///
/// What is not in the request's head is invisible to the key: the client's address, a client certificate, what an outer
/// layer knows of the user. Put this layer outside any decision by these, or name the user with
/// [`identity`](Self::identity). It is no cache: an answer is shared with those who waited for it, and then gone.
///
/// A layer value and its clones have one group for requests that show the URI they were asked for, as all do inside an
/// axum router (feature `axum`); they share over all connections, and routes are told apart. Requests that do not show
/// it share within one [`layer`](Layer::layer) call: axum makes one for every connection, so without the feature
/// nothing is shared between connections. Without the feature, and with an axum older than 0.8, the layer must not stand
/// below a `nest` whose prefix has parameters, since it [cannot see](crate::guide::security#what-the-key-cannot-see) what
/// that has taken off the path. [`group`](Self::group) overrides both. Give each application a value of its
/// own, not a clone: two that are asked for the same host and path would share.
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
    /// Shared with the services: axum applies a layer for each route of each connection, and copying it each time costs.
    config: Arc<Config>,
    /// `None`: requests that show the URI they were asked for are in `routes`, others in a group of their service's.
    group: Option<HttpGroup>,
    /// That of this value and its clones.
    routes: HttpGroup,
    content: C,
    /// `Some` if it only tries what it would do.
    watcher: Option<Watcher>,
}

impl HttpSingleflightLayer {
    /// Returns the layer with no configuration.
    pub fn new() -> Self {
        Self { config: Arc::default(), group: None, routes: HttpGroup::new(), content: Heads, watcher: None }
    }
}

impl<C> HttpSingleflightLayer<C> {
    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// Makes all services of this layer share a group, which keeps its own limits. They must answer equal requests
    /// alike. Layers of one group may have other settings: a follower gets no answer that its own layer would not share.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use std::convert::Infallible;
    /// # use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{HttpSingleflightLayer, http::HttpGroup};
    ///
    /// # let backend = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    /// let group = HttpGroup::new();
    /// let layer = HttpSingleflightLayer::new().group(group.clone());
    /// let (mut a, mut b) = (layer.layer(backend), layer.layer(backend)); // two connections, say
    /// let calls = (a.call(Request::get("/").body(String::new()).unwrap()), b.call(Request::default()));
    /// assert_eq!(group.in_flight(), 1);
    /// # drop(calls);
    /// ```
    #[must_use]
    pub fn group(mut self, group: HttpGroup) -> Self {
        self.group = Some(group);
        self
    }

    /// Returns the group that was given, or else the one that this value and its clones have for requests that show the
    /// URI they were asked for. It tells who is in flight, and can forget or fence.
    pub fn get_group(&self) -> &HttpGroup {
        self.group.as_ref().unwrap_or(&self.routes)
    }

    /// Sets the limits of the groups that this layer makes; one given by [`group`](Self::group) keeps its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// use tower_singleflight::Limits;
    ///
    /// let limits = Limits::new().max_wait(Duration::from_secs(2)).max_flights(10_000);
    /// let layer = HttpSingleflightLayer::new().limits(limits);
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.routes = HttpGroup::with_limits(limits);
        self.with(|config| config.limits = limits)
    }

    /// Sets what is put round calls of the wrapped service that may be shared: for task-locals and contexts of an outer
    /// layer, which would be missing once a call has moved to the flight's task; see [`Group::scope`](crate::Group::scope).
    /// The tracing span goes along by itself (feature `tracing`). Bodies are polled by their readers, in the readers' own
    /// tasks.
    ///
    /// # Panics
    ///
    /// A panic of the scope counts as a panic of the wrapped service; so does a scope whose future ends before the call
    /// has.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// tokio::task_local!(static USER: &'static str);
    ///
    /// let layer = HttpSingleflightLayer::new().scope(|work| match USER.try_get() {
    ///     Ok(user) => Box::pin(USER.scope(user, work)),
    ///     Err(_) => work,
    /// });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn scope<F>(self, scope: F) -> Self
    where
        F: Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        self.with(|config| config.scope = Some(Scope::new(scope)))
    }

    /// Limits how many released callers send their own requests at the same time; by default all do at once.
    ///
    /// A caller is released if it may not have its flight's answer, if it has waited for
    /// [`max_wait`](Limits::max_wait), or if its flight was lost. It holds one of the `calls` permits until its own answer
    /// is there. It waits for a permit at most for `max_wait`; then it sends its request without one.
    ///
    /// # Deadlock
    ///
    /// A released call that sends a request through the same layer *from a task it spawned* needs a second permit for
    /// that request. If it holds the last permit itself and there is no `max_wait`, both wait for ever: set `max_wait`
    /// where handlers do so. Requests that it sends from its own task share its permit and do not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_singleflight::{HttpSingleflightLayer, Limits};
    ///
    /// // Of a herd whose answer turns out to be private, eight at a time ask for their own.
    /// let layer = HttpSingleflightLayer::new()
    ///     .limits(Limits::new().max_wait(Duration::from_secs(5)))
    ///     .release_limit(8);
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn release_limit(self, calls: usize) -> Self {
        self.with(|config| config.release_limit = Some(calls.max(1)))
    }

    /// Sets for how long the requests of a key go alone after an answer that could not be shared (default 10 s). An
    /// answer that can be shared ends this time sooner.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().remember_unshareable(Duration::from_secs(60));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn remember_unshareable(self, time: Duration) -> Self {
        self.with(|config| config.remember = time)
    }

    /// Returns the key of a request without content, for [`HttpGroup::callers`](crate::http::HttpGroup::callers), or
    /// `None` if the request goes alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new();
    /// let key = |request: http::request::Builder| layer.key(&request.body(()).unwrap().into_parts().0);
    /// assert_eq!(key(Request::get("/a").header("user-agent", "x")), key(Request::get("/a").header("user-agent", "y")));
    /// assert_ne!(key(Request::get("/a").header("accept", "x")), key(Request::get("/a").header("accept", "y")));
    /// assert!(key(Request::delete("/a")).is_none());
    /// ```
    pub fn key(&self, parts: &request::Parts) -> Option<HttpKey> {
        let coalescer = self.coalescer();
        let place = coalescer.place(parts);
        let passed = coalescer.passed(parts);
        coalescer
            .key(parts, coalescer.config.kind(parts), &RequestContent::Empty, place, Some(&passed))
            .ok()
            .map(|(_, key)| key)
    }

    fn coalescer(&self) -> Coalescer {
        Coalescer::new(Arc::clone(&self.config), self.group.clone(), self.routes.clone())
    }
}

impl<S, C: HttpContent> Layer<S> for HttpSingleflightLayer<C> {
    type Service = C::Service<HttpSingleflight<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        let shadow = self.watcher.as_ref();
        let shadow = shadow.map(|watcher| watcher.shadow(&self.config, self.group.as_ref(), &self.routes));
        let coalescer = Arc::new(self.coalescer());
        coalescer.enter();
        self.content.wrap(HttpSingleflight::new(inner, coalescer, shadow))
    }
}

impl Default for HttpSingleflightLayer {
    fn default() -> Self {
        Self::new()
    }
}
