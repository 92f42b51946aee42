//! The flights of one or more HTTP services, whatever types their answers have.

mod forget;
mod layers;
mod stats;

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

use self::layers::Layers;
use super::{
    answer::Answer, counts::Counts, fence::Fences, key::HttpKey, membership::Fleets, observe::HttpObservers,
    release::Releases, storm::ReadsUnderWay, unshareable::Unshareable,
};
use crate::{Group, Limits, Stats, observe::Observers};

/// The flights of one or more HTTP services: who is in flight, what to forget, and what a write has changed.
///
/// Clones are handles to the same group. Requests can share only within a group:
///
/// - a layer value and its clones have one group for requests that show the URI they were asked for, as all requests
///   inside an axum router do (feature `axum`);
/// - each [`layer`](tower_layer::Layer::layer) call makes one group for all other requests;
/// - a group that is given to [`HttpSingleflightLayer::group`](crate::HttpSingleflightLayer::group) takes the place of
///   both.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use tower_singleflight::HttpSingleflightLayer;
///
/// let layer = HttpSingleflightLayer::new();
/// let (parts, ()) = Request::get("/report/7").header("host", "example.com").body(()).unwrap().into_parts();
/// let key = layer.key(&parts).unwrap();
/// assert_eq!(layer.get_group().callers(&key), 0); // nobody asks for it now
/// assert!(layer.get_group().is_empty());
/// ```
#[derive(Clone)]
pub struct HttpGroup {
    inner: Arc<Inner>,
}

struct Inner {
    limits: Limits,
    /// The flights, in a list by the types of their answers; made by the first call.
    flights: OnceLock<Box<Node>>,
    common: Common,
    /// Keys whose answers could not be shared of late (D3).
    unshareable: Unshareable,
    /// Made by the first service that limits them.
    releases: OnceLock<Releases>,
    /// What the flights cannot count.
    counts: Counts,
}

/// What all groups of a layer value have in common.
#[derive(Clone, Default)]
struct Common {
    fences: Arc<Fences>,
    reads: Arc<ReadsUnderWay>,
    observers: Arc<HttpObservers>,
    /// The fleets that are told of what is written.
    fleets: Arc<Fleets>,
    layers: Arc<Layers>,
}

/// The flights of one type of answer. Services of one group agree in it, as a rule, so the list has one node.
struct Node {
    flights: Box<dyn AnyFlights>,
    next: OnceLock<Box<Node>>,
}

/// Flights whose answers have one type.
pub(super) struct Flights<RB, E> {
    pub(super) group: Group<HttpKey, Answer<RB, E>>,
}

trait AnyFlights: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn callers(&self, key: &HttpKey) -> usize;
    fn waiting(&self, key: &HttpKey) -> usize;
    fn in_flight(&self) -> usize;
    fn stats(&self) -> Stats;
    fn forget(&self, key: &HttpKey) -> bool;
    fn forget_where(&self, predicate: &dyn Fn(&HttpKey) -> bool) -> usize;
}

impl<RB: Send + 'static, E: Send + Sync + 'static> AnyFlights for Flights<RB, E> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn callers(&self, key: &HttpKey) -> usize {
        self.group.callers(key)
    }

    fn waiting(&self, key: &HttpKey) -> usize {
        self.group.waiting(key)
    }

    fn in_flight(&self) -> usize {
        self.group.in_flight()
    }

    fn stats(&self) -> Stats {
        self.group.stats()
    }

    fn forget(&self, key: &HttpKey) -> bool {
        self.group.forget(key)
    }

    fn forget_where(&self, predicate: &dyn Fn(&HttpKey) -> bool) -> usize {
        self.group.forget_where(predicate)
    }
}

impl HttpGroup {
    /// Returns an empty group without limits.
    pub fn new() -> Self {
        Self::with_limits(Limits::new())
    }

    /// Returns an empty group with the given limits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tower_singleflight::{HttpSingleflightLayer, Limits, http::HttpGroup};
    ///
    /// // Nobody joins a flight that has run for five seconds.
    /// let group = HttpGroup::with_limits(Limits::new().join_window(Duration::from_secs(5)));
    /// let layer = HttpSingleflightLayer::new().group(group.clone());
    /// # drop(layer);
    /// ```
    pub fn with_limits(limits: Limits) -> Self {
        Self::made(limits, Common::default())
    }

    /// Returns an empty group with the fences and the observers of another one: what is written through either is fenced
    /// in both.
    pub(super) fn beside(other: &Self, limits: Limits) -> Self {
        Self::made(limits, other.inner.common.clone())
    }

    fn made(limits: Limits, common: Common) -> Self {
        let inner = Inner {
            limits,
            flights: OnceLock::new(),
            common,
            unshareable: Unshareable::new(),
            releases: OnceLock::new(),
            counts: Counts::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns how many live callers the key's flight has; 0 when there is none. Tests wait on it instead of sleeping.
    ///
    /// [`HttpSingleflightLayer::key`](crate::HttpSingleflightLayer::key) gives the key of a request.
    pub fn callers(&self, key: &HttpKey) -> usize {
        self.nodes().map(|node| node.flights.callers(key)).sum()
    }

    /// Returns how many live callers wait for the key's next run, behind the one under way (S13); 0 when none do.
    pub fn waiting(&self, key: &HttpKey) -> usize {
        self.nodes().map(|node| node.flights.waiting(key)).sum()
    }

    /// Returns how many flights can be joined now, those that wait for their turn included.
    pub fn in_flight(&self) -> usize {
        self.nodes().map(|node| node.flights.in_flight()).sum()
    }

    /// Returns whether no flight can be joined.
    pub fn is_empty(&self) -> bool {
        self.in_flight() == 0
    }

    /// Returns what tells groups apart.
    pub(super) fn number(&self) -> usize {
        Arc::as_ptr(&self.inner).addr()
    }

    /// Returns whether nobody else holds the group: no layer that could make another service of it, and no such service.
    #[inline]
    pub(super) fn has_one_holder(&self) -> bool {
        Arc::strong_count(&self.inner) == 1
    }

    pub(super) fn limits(&self) -> Limits {
        self.inner.limits
    }

    pub(super) fn flights<RB: Send + 'static, E: Send + Sync + 'static>(&self) -> &Flights<RB, E> {
        let mut link = &self.inner.flights;
        loop {
            let node = link.get_or_init(|| {
                Box::new(Node::new::<RB, E>(self.inner.limits, self.inner.common.observers.of_flights()))
            });
            if let Some(flights) = node.flights.as_any().downcast_ref() {
                return flights;
            }
            link = &node.next;
        }
    }

    pub(super) fn observers(&self) -> &Arc<HttpObservers> {
        &self.inner.common.observers
    }

    /// Returns what is known of the layers whose services are in the group.
    #[inline]
    pub(super) fn layers(&self) -> &Layers {
        &self.inner.common.layers
    }

    pub(super) fn fences(&self) -> &Fences {
        &self.inner.common.fences
    }

    pub(super) fn fleets(&self) -> &Fleets {
        &self.inner.common.fleets
    }

    pub(super) fn reads(&self) -> &Arc<ReadsUnderWay> {
        &self.inner.common.reads
    }

    pub(super) fn releases(&self, limit: usize) -> Releases {
        self.inner.releases.get_or_init(|| Releases::new(limit)).clone()
    }

    pub(super) fn unshareable(&self) -> &Unshareable {
        &self.inner.unshareable
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.inner.flights.get(), |node| node.next.get()).map(|node| &**node)
    }
}

impl Node {
    fn new<RB: Send + 'static, E: Send + Sync + 'static>(limits: Limits, observers: &Arc<Observers>) -> Self {
        let flights = Flights::<RB, E> { group: Group::with_observers(limits, Arc::clone(observers)) };
        Self { flights: Box::new(flights), next: OnceLock::new() }
    }
}

impl Default for HttpGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpGroup").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
