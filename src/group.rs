//! Which flight a key is on.

mod after_unlock;
mod announce;
mod behind;
mod call;
mod caller;
mod caller_state;
mod calls;
mod flight_ref;
mod follower;
mod forget;
mod fresh;
mod join;
mod join_mode;
#[cfg(feature = "http")]
mod layered;
mod leader;
mod lifecycle;
mod observed;
mod park;
mod place;
mod poll_guard;
mod profile;
mod reentrancy;
mod report;
mod run;
mod scope;
mod shard;
mod shards;
mod shared_outcome;
mod slots;
mod task;
mod turn;
mod wake_list;
mod watching;
mod work;

use std::{
    borrow::Borrow,
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

pub use self::call::Call;
#[cfg(any(feature = "fleet", feature = "http"))]
pub(crate) use self::work::Drive;
pub(crate) use self::work::{BoxedWork, Closure, ShareIf, Work};
#[cfg(feature = "http")]
pub(crate) use self::{
    caller::{Caller, Resolution},
    profile::Profile,
    work::Note,
};
use self::{shard::Shard, shards::Shards};
use crate::{Limits, context::Scope, hasher::KeyHasher, observe::Observers, striped::Striped};

/// A namespace of keys: callers who ask for the same key at the same time share one run of the work.
///
/// Go's `singleflight.Group`. It keeps no results: once a flight has landed, the next caller runs the work again.
/// Clones are handles to the same group.
///
/// Callers with equal keys must be interchangeable: the outcome of one's work is the answer to all. `Eq` of a key runs
/// under a lock: it must not call the group.
///
/// # Guarantees
///
/// 1. A key has at most one flight that any caller can join, and one behind it that fresh callers can join. The work of
///    each runs once.
/// 2. A caller never gets an outcome that was complete before it called.
/// 3. A caller that leaves, or that is never polled, keeps no other caller from the outcome. When all have left, the
///    work is dropped.
/// 4. A panic of the work reaches every caller; the key is free afterwards.
/// 5. Coalescing adds no failure: a caller that its flight cannot serve runs its own work.
/// 6. A group without callers holds no memory but its shards: what grew with its flights is given back.
/// 7. A fresh caller ([`call_fresh`](Self::call_fresh)) never gets the outcome of work that began before it called.
///
/// # Trade-offs
///
/// While a caller has the flight to itself, its own task polls the work: no spawn, no clone. When a second one joins,
/// the work moves to a tokio task of its own, so it must be `Send + 'static`, and so must `T`.
///
/// That task lives on the runtime of the caller that joined second. Until the landing somebody has to drive it: a
/// current-thread runtime that is left idle holds up all callers of the flight, also those on other runtimes. The
/// tracing span that is current at the work's first poll goes with the work (feature `tracing`); if the flight's task
/// makes that poll, it is the span in which the leader called. Task-locals of the leader's task are not seen there: put
/// what the work needs into its closure, or set a [`scope`](Self::scope).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_singleflight::Group;
///
/// let group = Group::new();
/// let (a, b) = tokio::join!(
///     group.call("report", || async { "rows".to_owned() }),
///     group.call("report", || async { unreachable!("the first caller's work runs") }),
/// );
/// assert_eq!((a.value.as_str(), a.callers), ("rows", 2));
/// assert_eq!((b.value.as_str(), b.callers), ("rows", 2));
/// assert!(group.is_empty());
/// # }
/// ```
pub struct Group<K, T> {
    inner: Arc<Inner<K, T>>,
    /// What is put round the work of flights that are led through this handle and its clones; `None` unless it was set.
    scope: Option<Scope>,
}

struct Inner<K, T> {
    hasher: KeyHasher,
    limits: Limits,
    /// Each shard has a reference count of its own, so that callers of different keys write to nothing that they share.
    shards: Shards<K, T>,
    /// Counts the calls without a key.
    keyless: Striped,
    observers: Arc<Observers>,
}

impl<K, T> Group<K, T> {
    /// Returns an empty group without limits.
    pub fn new() -> Self {
        Self::with_limits(Limits::new())
    }

    /// Returns an empty group with the given limits.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::{Group, Limits, Reason, Role};
    ///
    /// let group = Group::with_limits(Limits::new().max_flights(1));
    /// let (a, b) = tokio::join!(group.call("a", || async { 1 }), group.call("b", || async { 2 }));
    /// assert_eq!((a.role, b.role), (Role::Leader, Role::Alone(Reason::Full)));
    /// # }
    /// ```
    pub fn with_limits(limits: Limits) -> Self {
        Self::with_observers(limits, Arc::default())
    }

    pub(crate) fn with_observers(limits: Limits, observers: Arc<Observers>) -> Self {
        let shards = Shards::new(limits, Arc::clone(&observers));
        let inner = Inner { hasher: KeyHasher::new(), limits, shards, keyless: Striped::new(), observers };
        Self { inner: Arc::new(inner), scope: None }
    }

    /// Returns the limits that the group was made with.
    pub fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// Returns how many flights can be joined now, those that finish without callers and those that wait for their turn
    /// ([`call_fresh`](Self::call_fresh)) included.
    ///
    /// The shards are counted one after the other, so the number is exact at rest and a snapshot otherwise.
    pub fn in_flight(&self) -> usize {
        self.inner.shards.iter().map(|shard| shard.lock().joinable.get()).sum()
    }

    /// Returns whether no flight can be joined.
    pub fn is_empty(&self) -> bool {
        self.in_flight() == 0
    }
}

impl<K: Hash + Eq, T> Group<K, T> {
    /// Returns how many live callers the key's flight has; 0 when there is none.
    ///
    /// Tests wait on it instead of sleeping.
    ///
    /// # Panics
    ///
    /// A panic in `Hash` or `Eq` of the key is raised in the caller; no flight is touched.
    pub fn callers<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.shard(key);
        let mut locked = shard.lock();
        let Some(slot) = locked.find(hash, key) else { return 0 };
        let flight = locked.at(slot);
        if flight.is_running() { flight.callers } else { 0 }
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> (&Arc<Shard<K, T>>, u64) {
        let hash = self.inner.hasher.hash_one(key);
        (self.inner.shards.of(hash), hash)
    }
}

impl<K, T> Clone for Group<K, T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), scope: self.scope.clone() }
    }
}

impl<K, T> Default for Group<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, T> fmt::Debug for Group<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
