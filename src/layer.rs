//! The layer: what it is told, and the services it makes.

#[cfg(feature = "dry-run")]
mod dry_run;
#[cfg(feature = "fleet")]
mod fleet;
mod fresh;
mod observe;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tower_layer::Layer;

use crate::{
    Group, Limits, Observer, Singleflight,
    context::Scope,
    dry_run::{Sample, Shadow},
    group::ShareIf,
    layer_fleet::LayerFleet,
    observe::{Inspect, Inspects, Observed},
};

/// Coalesces concurrent calls with equal keys into one call of the wrapped service.
///
/// Takes any `Service` that is `Clone + Send + 'static` and whose response and error are `Clone`. For an error that is
/// not `Clone` there is [`SharedError`](crate::SharedError); for a service that is not, tower's `buffer`. The layer
/// adds no error of its own: the service keeps its error type.
///
/// Each [`layer`](Layer::layer) call makes a group of its own, unless [`group`](Self::group) shares one.
///
/// # Over HTTP
///
/// Put `CloneBodyLayer` below it (feature `http`), which makes responses `Clone`, each with a body of its own. No rule
/// of HTTP is kept: all who have the same key get the same response, even one that sets cookies or says `private`. That
/// is right where the key function knows all that a response depends on and every response may be shared, such as
/// between services of your own. Where requests come from clients, take `HttpSingleflightLayer`, which judges each
/// request and each answer; its setting `key_fn` takes a key function of your own and keeps the rules on answers.
///
/// On axum there are three things to see to:
///
/// - Give both layers to one `.layer(..)`, in a `ServiceBuilder` or a pair, since a router boxes bodies anew at each
///   `.layer(..)`.
/// - Give it a group, `.group(Group::new())`: axum applies a layer once per route and connection, so that without one
///   nothing is shared between connections.
/// - All routes are in that group, so the key has to tell them apart: by the method, by the path that was asked for
///   (below `Router::nest` it is in axum's `OriginalUri`), and by the host if there are several.
///
/// # Trade-offs
///
/// The service is always ready: back-pressure of the wrapped service is met inside the flight, where only the leader
/// waits for it, instead of in `poll_ready`, where every follower would take a permit that it does not need.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
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
    observers: Vec<Arc<Observed<dyn Observer>>>,
    /// `Some` if it only tries what it would do.
    shadow: Option<Shadow<K, T>>,
    /// Which keys it watches then.
    sample: Sample,
    /// `Some` if flights are shared with other processes.
    fleet: Option<LayerFleet<K, T>>,
}

impl<F, K, T> SingleflightLayer<F, K, T> {
    /// Returns a layer that asks `key_fn` for each request's key; `None` sends a request alone. See
    /// [`KeyFn`](crate::KeyFn).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use tower::{Layer, service_fn};
    /// use tower_singleflight::SingleflightLayer;
    ///
    /// #[derive(Clone)]
    /// struct Query { tenant: u32, id: u64, for_update: bool }
    ///
    /// // Reads share within their tenant; a read that locks its row does not.
    /// let layer = SingleflightLayer::new(|query: &Query| (!query.for_update).then_some((query.tenant, query.id)));
    /// # tower_singleflight::assert_service::<Query, _>(&layer.layer(service_fn(|query: Query| async move {
    /// #     Ok::<_, Infallible>(query)
    /// # })));
    /// ```
    pub const fn new(key_fn: F) -> Self {
        Self {
            key_fn,
            group: None,
            limits: Limits::new(),
            share_if: None,
            inspect: None,
            scope: None,
            observers: Vec::new(),
            shadow: None,
            sample: Sample::ALL,
            fleet: None,
        }
    }

    /// Makes all services of this layer share a group, which keeps its own limits and can be asked who is in flight.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{Group, SingleflightLayer};
    ///
    /// let group = Group::new();
    /// let layer = SingleflightLayer::new(|id: &u64| Some(*id)).group(group.clone());
    /// let backend = service_fn(|id: u64| async move { Ok::<_, Infallible>(id) });
    /// let (mut a, mut b) = (layer.layer(backend), layer.layer(backend));
    /// let calls = (a.call(7), b.call(7));
    /// assert_eq!(group.callers(&7), 2); // on one flight
    /// # drop(calls);
    /// # }
    /// ```
    #[must_use]
    pub fn group(mut self, group: Group<K, T>) -> Self {
        self.group = Some(group);
        self
    }

    /// Sets the [`Limits`] of the groups that this layer makes; one given by [`group`](Self::group) keeps its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use std::{convert::Infallible, time::Duration};
    /// # use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{Limits, SingleflightLayer};
    ///
    /// // A caller that has waited for two seconds sends its own request, and at most ten share one run.
    /// let limits = Limits::new().max_wait(Duration::from_secs(2)).max_followers(9);
    /// let layer = SingleflightLayer::new(|id: &u64| Some(*id)).limits(limits);
    /// let mut service = layer.layer(service_fn(|id: u64| async move { Ok::<_, Infallible>(id) }));
    /// let calls: Vec<_> = (0..11).map(|_| service.call(7)).collect();
    /// assert_eq!(service.group().callers(&7), 10); // the eleventh goes alone
    /// # drop(calls);
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// An empty answer may be one caller's bad luck; errors are shared here.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::{convert::Infallible, sync::atomic::{AtomicUsize, Ordering::Relaxed}};
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::SingleflightLayer;
    ///
    /// static CALLS: AtomicUsize = AtomicUsize::new(0);
    /// let backend = service_fn(|_: u64| async {
    ///     CALLS.fetch_add(1, Relaxed);
    ///     Ok::<_, Infallible>(String::new())
    /// });
    /// let layer = SingleflightLayer::new(|id: &u64| Some(*id))
    ///     .share_if(|outcome: &Result<String, _>| !matches!(outcome, Ok(rows) if rows.is_empty()));
    /// let mut service = layer.layer(backend);
    /// tokio::join!(service.call(7), service.call(7)).0.unwrap();
    /// assert_eq!(CALLS.load(Relaxed), 2);
    /// # }
    /// ```
    #[must_use]
    pub fn share_if<P>(mut self, share_if: P) -> Self
    where
        P: Fn(&T) -> bool + Send + Sync + 'static,
    {
        self.share_if = Some(Arc::new(share_if));
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
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::SingleflightLayer;
    ///
    /// tokio::task_local!(static USER: &'static str);
    ///
    /// let layer = SingleflightLayer::new(|id: &u64| Some(*id)).scope(|work| match USER.try_get() {
    ///     Ok(user) => Box::pin(USER.scope(user, work)),
    ///     Err(_) => work,
    /// });
    /// let mut service = layer.layer(service_fn(|_: u64| async { Ok::<_, Infallible>(USER.get()) }));
    /// let calls = async { tokio::join!(service.call(7), service.call(7)) };
    /// assert_eq!(USER.scope("Ann", calls).await, (Ok("Ann"), Ok("Ann")));
    /// # }
    /// ```
    #[must_use]
    pub fn scope<P>(mut self, scope: P) -> Self
    where
        P: Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        self.scope = Some(Scope::new(scope));
        self
    }
}

impl<S, F: Clone, K, T> Layer<S> for SingleflightLayer<F, K, T> {
    type Service = Singleflight<S, F, K, T>;

    fn layer(&self, inner: S) -> Self::Service {
        let mut group = self.group.clone().unwrap_or_else(|| Group::with_limits(self.limits));
        self.observers.iter().for_each(|observed| group.observers().add(observed));
        if let Some(scope) = &self.scope {
            group = group.scoped(scope.clone());
        }
        let (key_fn, share_if, fleet) = (self.key_fn.clone(), self.share_if.clone(), self.fleet.clone());
        let inspect = self.inspect.as_ref().map(|inspect| Inspects::new(Arc::clone(inspect), group.observers()));
        let of_service = |shadow: &Shadow<K, T>| {
            shadow.of_service(share_if.clone(), self.sample, self.group.is_none(), group.limits())
        };
        let shadow = self.shadow.as_ref().map(of_service);
        Singleflight { inner, key_fn, group, share_if, inspect, shadow, fleet }
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
            observers: self.observers.clone(),
            shadow: self.shadow.clone(),
            sample: self.sample,
            fleet: self.fleet.clone(),
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
