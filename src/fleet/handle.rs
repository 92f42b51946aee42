//! The handle that users have of a fleet.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    Engine, Name,
    ask::Ask,
    core::Core,
    domain::Domain,
    elsewhere::BeganElsewhere,
    settings::{FleetError, FleetSettings, check_name},
    stats::FleetStats,
    timeout::within,
    watch::{FleetEvent, Watcher},
};
use crate::{Limits, observe::Observed};

/// One process's part in a fleet: the processes that share flights through one engine.
///
/// All of them must have the same secret and the same [namespace](FleetSettings::namespace): others do not meet, and
/// cannot read each other's messages. Clones are handles to the same part. Make one for each process, not one for each
/// request.
///
/// # Guarantees
///
/// 1. While the engine answers and leases are renewed, the flights of one key overlap on one process at most.
/// 2. A follower only ever gets the outcome of the flight that it joined. While the engine answers within the budget, that is
///    never one that anybody had when it called.
/// 3. The engine never makes a call fail: where it does not answer in time, the work runs here. Each caller waits for
///    it for at most twice the [budget](FleetSettings::budget).
/// 4. What lies in the engine is encrypted, and tells nothing of keys or values to whoever reads it there.
///
/// # Trade-offs
///
/// It saves work, and is no lock: a process that stalls for longer than its lease does not stop another one from
/// running the same work.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_singleflight::{Group, fleet::{Fleet, MemoryEngine, PostcardCodec}};
///
/// let engine = MemoryEngine::new(); // in production an engine that all processes reach
/// let secret = [7; 32]; // in production 32 random bytes that all of them know
/// let (a, b) = (Fleet::new(engine.clone(), secret), Fleet::new(engine, secret)); // two processes
/// let (in_a, in_b) = (Group::new(), Group::new());
/// let load = |name: &str| { let name = name.to_owned(); || async move { tokio::task::yield_now().await; name } };
/// let (of_a, of_b) = tokio::join!(
///     a.call(&in_a, 7, PostcardCodec::new(), load("Ada")),
///     b.call(&in_b, 7, PostcardCodec::new(), load("Bob")),
/// );
/// assert_eq!(of_a.value, of_b.value); // one of them was asked
/// # }
/// ```
#[derive(Clone)]
pub struct Fleet {
    core: Arc<Core>,
    domain: Domain,
}

impl Fleet {
    /// Joins a fleet with the default settings; the secret is 32 random bytes that all of its processes know.
    ///
    /// # Panics
    ///
    /// Panics if the system gives no random bytes.
    #[track_caller]
    pub fn new(engine: impl Engine, secret: [u8; 32]) -> Self {
        match Self::with_settings(engine, secret, FleetSettings::new()) {
            Ok(fleet) => fleet,
            Err(error) => panic!("{error}"),
        }
    }

    /// Joins a fleet with these settings.
    ///
    /// # Errors
    ///
    /// What [`FleetSettings::check`] finds; or the system gives no random bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_singleflight::fleet::{Fleet, FleetSettings, MemoryEngine};
    ///
    /// let settings = FleetSettings::new().lease(Duration::ZERO);
    /// let error = Fleet::with_settings(MemoryEngine::new(), [7; 32], settings).unwrap_err();
    /// assert_eq!(error.to_string(), "lease of a fleet is below 1 ms");
    /// ```
    pub fn with_settings(engine: impl Engine, secret: [u8; 32], settings: FleetSettings) -> Result<Self, FleetError> {
        let domain = Domain::new(&secret, &settings.namespace);
        let core = Core::new(Box::new(engine), &secret, settings)?;
        Ok(Self { core: Arc::new(core), domain })
    }

    /// Returns a handle to the same fleet, with keys of its own: they meet those of handles with the same name, and no
    /// others. Give one to each kind of work, so that equal keys of different work never meet.
    ///
    /// # Errors
    ///
    /// The name is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::fleet::{Fleet, MemoryEngine};
    ///
    /// let fleet = Fleet::new(MemoryEngine::new(), [7; 32]);
    /// let (users, orders) = (fleet.named("users").unwrap(), fleet.named("orders").unwrap());
    /// assert!(fleet.named("").is_err());
    /// # drop((users, orders));
    /// ```
    pub fn named(&self, name: &str) -> Result<Self, FleetError> {
        check_name("name", name)?;
        Ok(Self { core: Arc::clone(&self.core), domain: self.domain.named(name) })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &FleetSettings {
        &self.core.settings
    }

    /// Returns what this process has done in its fleet, through all handles together.
    pub fn stats(&self) -> FleetStats {
        let Core { counts, breaker, untold, watchers, .. } = &*self.core;
        counts.get(breaker.is_open(), untold.count(), watchers.off())
    }

    /// Returns how many of the flights in [`FleetStats::local`] ran without the fleet for this reason.
    #[cfg(feature = "status")]
    pub(crate) fn local(&self, reason: super::FleetReason) -> u64 {
        self.core.counts.local(reason)
    }

    /// Lets an observer see what this process does in its fleet, through whichever handle: for metrics, say. It runs in
    /// the tasks of the callers. An observer that panics is told nothing any more; [`FleetStats::observers_off`] counts
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::sync::{Arc, Mutex};
    /// use tower_singleflight::{Group, fleet::{Fleet, FleetEvent, FleetRole, MemoryEngine, PostcardCodec}};
    ///
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let seen_by = Arc::clone(&seen);
    /// let fleet = Fleet::new(MemoryEngine::new(), [7; 32]).observed(move |event| {
    ///     if let FleetEvent::Asked(role) = event {
    ///         seen_by.lock().unwrap().push(*role);
    ///     }
    /// });
    /// fleet.call(&Group::new(), 7, PostcardCodec::new(), || async { "Ada".to_owned() }).await;
    /// assert_eq!(*seen.lock().unwrap(), [FleetRole::Led]);
    /// # }
    /// ```
    #[must_use]
    pub fn observed<F>(self, observer: F) -> Self
    where
        F: Fn(&FleetEvent) + Send + Sync + 'static,
    {
        let observed: Arc<Observed<Watcher>> = Observed::new(observer);
        self.core.watchers.add(&observed);
        self
    }

    /// Lets calls from now on run their work without the fleet, and waits, for at most this long, until the engine has
    /// answered all that was asked of it; returns whether it has.
    ///
    /// For a graceful shutdown: a process that exits right after its last answer leaves followers in other processes
    /// waiting.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, calls stay without the fleet; nothing else changes.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::time::Duration;
    /// use tower_singleflight::fleet::{Fleet, MemoryEngine};
    ///
    /// let fleet = Fleet::new(MemoryEngine::new(), [7; 32]);
    /// assert!(fleet.drain(Duration::from_secs(5)).await);
    /// # }
    /// ```
    pub async fn drain(&self, time: Duration) -> bool {
        self.core.draining.store(true, Ordering::Release);
        within(time, self.core.tasks.idle()).await.is_some()
    }

    /// Ends the time to join of all flights of these scopes, on all processes. Until the engine knows, flights of these
    /// scopes stay in this process. Begins at once.
    #[cfg(feature = "http")]
    pub(crate) fn fence(&self, scopes: impl IntoIterator<Item = super::FenceScope>) -> super::Fencing {
        super::fence::fence(&self.core, scopes)
    }

    /// Returns whether keys of the two meet.
    #[cfg(feature = "http")]
    pub(crate) fn meets(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.core, &other.core) && self.domain == other.domain
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Asks on behalf of a local leader, within the limits of its group. `remember`: for how long the name runs without
    /// the fleet once its outcome could not be had. `began`: where to tell since when another process has run the same.
    /// `forget`: lets nobody join the leader's flight any more, since that of another process has closed.
    pub(crate) fn ask(
        &self,
        name: Name,
        limits: Limits,
        remember: Duration,
        began: BeganElsewhere,
        forget: impl Fn() + Send + Sync + 'static,
    ) -> Ask {
        Ask::new(Arc::clone(&self.core), name, limits, remember, began, Box::new(forget))
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("settings", &self.core.settings)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
