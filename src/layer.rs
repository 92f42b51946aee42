//! The layer: what it is told, and the services it makes.

use std::{fmt, pin::Pin, sync::Arc};

use tower_layer::Layer;

use crate::{Group, Limits, Role, Singleflight, context::Scope, group::ShareIf};

/// What `inspect` was given.
pub(crate) type Inspect = Arc<dyn Fn(Role, usize) + Send + Sync>;

/// Coalesces concurrent calls with equal keys into one call of the wrapped service.
///
/// Takes any `Service` that is `Clone + Send + 'static` and whose response and error are `Clone`; for an error that is
/// not, see [`SharedError`](crate::SharedError), for a service that is not, tower's `buffer`. The layer adds no error
/// of its own: the service keeps its error type.
///
/// Each [`layer`](Layer::layer) call makes a group of its own, unless [`group`](Self::group) shares one.
///
/// Over HTTP (feature `http`), put `CloneBodyLayer` below it, which makes responses `Clone`, each with a body of its
/// own. On axum, give both to one `.layer(..)`, in a `ServiceBuilder` or a pair, since a router boxes bodies anew at
/// each; and give it a group, `.group(Group::new())`: axum applies a layer once per route and connection, so that
/// without one nothing is shared between connections. That group has all routes, so the key has to tell them apart: by
/// the path that was asked for, which below `Router::nest` is in axum's `OriginalUri`, by the method, and by the host
/// if there are several. No rule of HTTP is kept: whoever has the same key has the same response, cookies and `private`
/// and all. That is right where the key function knows all that a response depends on and every response may be shared,
/// such as between services of one's own. Where requests come from clients, `HttpSingleflightLayer` is right, which
/// judges each request and each answer; its `key_fn` takes a key function of one's own, and the rules on answers are
/// kept.
///
/// # Trade-offs
///
/// The service is always ready: back-pressure of the wrapped service is met inside the flight, where only the leader
/// waits for it, instead of in `poll_ready`, where every follower would take a permit that it does not need.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() {
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use tower_singleflight::SingleflightLayer;
///
/// let mut service = ServiceBuilder::new()
///     .layer(SingleflightLayer::new(|id: &u64| Some(*id)))
///     .service(service_fn(|id: u64| async move { Ok::<_, Infallible>(format!("row {id}")) }));
/// let row = service.ready().await.unwrap().call(7).await.unwrap();
/// assert_eq!(row, "row 7");
/// # }
/// ```
pub struct SingleflightLayer<F, K, T> {
    key_fn: F,
    /// `None`: each service gets a group of its own.
    group: Option<Group<K, T>>,
    limits: Limits,
    share_if: Option<ShareIf<T>>,
    inspect: Option<Inspect>,
    scope: Option<Scope>,
}

impl<F, K, T> SingleflightLayer<F, K, T> {
    /// Returns a layer that asks `key_fn` for each request's key; see [`KeyFn`](crate::KeyFn).
    pub const fn new(key_fn: F) -> Self {
        Self { key_fn, group: None, limits: Limits::new(), share_if: None, inspect: None, scope: None }
    }

    /// Makes all services of this layer share a group, which keeps its own limits.
    #[must_use]
    pub fn group(mut self, group: Group<K, T>) -> Self {
        self.group = Some(group);
        self
    }

    /// Sets the limits of the groups that this layer makes; one given by [`group`](Self::group) keeps its own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets which outcomes followers may have, errors included; by default all.
    ///
    /// Asked once per flight, before it lands. If it says no, the leader keeps the outcome and every follower makes its
    /// own call, alone.
    ///
    /// # Panics
    ///
    /// A panic of the predicate counts as a panic of the work.
    #[must_use]
    pub fn share_if<P>(mut self, share_if: P) -> Self
    where
        P: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.share_if = Some(Arc::new(share_if));
        self
    }

    /// Sets what is told the role and the number of callers, once per call that ends with an outcome: for counters and
    /// logs.
    ///
    /// # Panics
    ///
    /// A panic of the callback is raised in the caller whose call has just ended.
    #[must_use]
    pub fn inspect<I>(mut self, inspect: I) -> Self
    where
        I: Fn(Role, usize) + Send + Sync + 'static,
    {
        self.inspect = Some(Arc::new(inspect));
        self
    }

    /// Sets what is put round the calls of the wrapped service that flights make: for task-locals and contexts, which
    /// would be missing once a call has moved to the flight's task; see [`Group::scope`].
    ///
    /// Overrides the scope of a group given by [`group`](Self::group), for calls through this layer.
    ///
    /// # Panics
    ///
    /// A panic of the scope counts as a panic of the work; so does a scope whose future ends before the work has.
    #[must_use]
    pub fn scope<P>(mut self, scope: P) -> Self
    where
        P: Fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = ()> + Send>>
            + Send
            + Sync
            + 'static,
    {
        self.scope = Some(Scope::new(scope));
        self
    }
}

impl<S, F: Clone, K, T> Layer<S> for SingleflightLayer<F, K, T> {
    type Service = Singleflight<S, F, K, T>;

    fn layer(&self, inner: S) -> Self::Service {
        let mut group = self.group.clone().unwrap_or_else(|| Group::with_limits(self.limits));
        if let Some(scope) = &self.scope {
            group = group.scoped(scope.clone());
        }
        Singleflight::from_parts(inner, self.key_fn.clone(), group, self.share_if.clone(), self.inspect.clone())
    }
}

impl<F: Clone, K, T> Clone for SingleflightLayer<F, K, T> {
    fn clone(&self) -> Self {
        Self {
            key_fn: self.key_fn.clone(),
            group: self.group.clone(),
            limits: self.limits,
            share_if: self.share_if.clone(),
            inspect: self.inspect.clone(),
            scope: self.scope.clone(),
        }
    }
}

impl<F, K, T> fmt::Debug for SingleflightLayer<F, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleflightLayer")
            .field("group", &self.group)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
