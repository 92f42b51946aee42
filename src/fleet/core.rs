//! What all handles of a fleet have in common.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::FutureExt;

use super::{
    Engine, Name, News, Reply, Token, Unavailable,
    breaker::Breaker,
    message::Message,
    random::Random,
    refused::Refused,
    role::{FleetReason, FleetRole},
    seal::{BadMessage, Seal},
    settings::{FleetError, FleetSettings},
    stats::Counts,
    tasks::EngineTasks,
    timeout::within,
    unclosed::Unclosed,
    untold::Untold,
    waiters::Waiters,
    watch::{FleetEvent, Watchers, tell},
};
use crate::panic::{Payload, catch, discard};
#[cfg(feature = "http")]
use crate::sync::{Mutex, Spawner, lock};

#[cold]
fn panicked(payload: Payload) -> Unavailable {
    discard(payload);
    Unavailable::new("the engine has panicked")
}

/// How long the head of an HTTP answer may be, in bytes, on top of `max_message`.
const HEAD: usize = 64 << 10;

/// What all handles of a fleet in this process share.
pub(super) struct Core {
    engine: Box<dyn Engine>,
    pub(super) settings: FleetSettings,
    /// Encrypts messages, and opens them.
    seal: Seal,
    pub(super) random: Random,
    /// Whether the engine is asked now.
    pub(super) breaker: Breaker,
    /// The flights of this process that wait for one of another.
    pub(super) waiters: Arc<Waiters>,
    /// The engine brings news; else those who wait look more often.
    pub(super) has_news: bool,
    /// The engine says which flights go on, or has once said so of one: a flight that it finds nothing of is gone.
    pub(super) tells_running: AtomicBool,
    pub(super) tasks: EngineTasks,
    /// Names whose outcomes could not be had of late.
    pub(super) refused: Refused,
    /// Flights whose outcome is seen, and which the engine may still let be joined.
    pub(super) unclosed: Unclosed,
    /// Writes that the engine does not know of yet.
    pub(super) untold: Untold,
    pub(super) counts: Counts,
    /// The observers of the fleet.
    pub(super) watchers: Watchers,
    /// The process is about to exit: nobody asks any more.
    pub(super) draining: AtomicBool,
    /// The runtime that has asked last, or else that in which the fleet was made. In it the engine is told of writes on threads
    /// that have no runtime.
    #[cfg(feature = "http")]
    pub(super) runtime: Mutex<Option<Spawner>>,
}

impl Core {
    pub(super) fn new(engine: Box<dyn Engine>, secret: &[u8; 32], settings: FleetSettings) -> Result<Self, FleetError> {
        settings.check()?;
        let waiters = Arc::<Waiters>::default();
        let random = Random::new(settings.jitter_seed)?;
        let tells_running = AtomicBool::new(engine.tells_running());
        let has_news = engine.news(News::new(&(Arc::clone(&waiters) as _)));
        Ok(Self {
            engine,
            seal: Seal::new(secret, settings.max_message.saturating_add(HEAD)),
            random,
            breaker: Breaker::default(),
            waiters,
            has_news,
            tells_running,
            tasks: EngineTasks::new(),
            refused: Refused::default(),
            unclosed: Unclosed::default(),
            untold: Untold::default(),
            counts: Counts::default(),
            watchers: Watchers::new(),
            draining: AtomicBool::new(false),
            #[cfg(feature = "http")]
            runtime: Mutex::new(Spawner::current()),
            settings,
        })
    }

    /// Drives one operation of the engine to its end, for two leases at most: what comes after that comes too late (F7). An
    /// engine that panics has failed, and is asked again as others are.
    pub(super) async fn ask<T>(&self, operation: impl FnOnce(&dyn Engine) -> Reply<T>) -> Result<T, Unavailable> {
        let reply = catch(|| operation(&*self.engine)).map_err(panicked)?;
        match within(self.longest(), AssertUnwindSafe(reply).catch_unwind()).await {
            Some(reply) => reply.unwrap_or_else(|payload| Err(panicked(payload))),
            None => Err(Unavailable::new("no reply within two leases")),
        }
    }

    /// Returns how long an operation may take: two leases.
    pub(super) fn longest(&self) -> Duration {
        self.settings.lease.saturating_mul(2)
    }

    pub(super) fn seal(&self, name: Name, token: Token, message: &Message) -> bytes::Bytes {
        self.seal.seal(name, token, message, self.random.unique())
    }

    /// Opens the message of a flight, and counts what is refused (F6).
    pub(super) fn open(&self, name: Name, token: Token, sealed: &[u8]) -> Result<Message, BadMessage> {
        let opened = self.seal.open(name, token, sealed);
        if opened.is_err() {
            self.counts.count_bad_message();
        }
        opened
    }

    /// Counts what came of work that asked, and tells those who watch.
    pub(super) fn count(&self, role: FleetRole) {
        self.counts.count(role);
        tell(&self.watchers, &FleetEvent::Asked(role));
    }

    /// Counts work that asked, and runs without the fleet for this reason.
    pub(super) fn local(&self, reason: FleetReason) -> FleetReason {
        self.count(FleetRole::Local(reason));
        reason
    }

    /// Notes the runtime that asks.
    #[cfg(feature = "http")]
    pub(super) fn note_runtime(&self, spawner: &Spawner) {
        *lock(&self.runtime) = Some(spawner.clone());
    }

    /// Returns the runtime in which the engine is told of a write: that of this thread, or else the one that has asked last.
    #[cfg(feature = "http")]
    pub(super) fn spawner(&self) -> Option<Spawner> {
        Spawner::current().or_else(|| lock(&self.runtime).clone())
    }

    /// Tells those who watch how many scopes stay in the process. Where two threads tell at once, the later one may have the
    /// older number; so each looks again, and tells again if the number has changed.
    #[cfg(feature = "http")]
    pub(super) fn tell_untold(&self) {
        let mut scopes = self.untold.count();
        while self.watchers.any().is_some() {
            tell(&self.watchers, &FleetEvent::Untold { scopes });
            let now = self.untold.count();
            if now == scopes {
                break;
            }
            scopes = now;
        }
    }
}
