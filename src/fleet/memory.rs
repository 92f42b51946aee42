//! An engine in the memory of one process, for tests.

mod faults;
mod store;

use std::{
    fmt,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, sleep};

pub use self::faults::Faults;
use self::{
    faults::{Chosen, SeededRandom},
    store::Store,
};
use super::{Closed, Engine, FenceScope, Join, Joined, Name, News, Peek, Reply, Token, Unavailable};
use crate::sync::{Mutex, Spawner, lock};

/// An [`Engine`] in the memory of one process, for tests: each [`Fleet`](super::Fleet) that has a clone of it stands for a
/// process.
///
/// With the same seed and under paused time (`tokio::time::pause`) the same goes wrong in every run.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_singleflight::fleet::{Faults, Fleet, MemoryEngine};
///
/// let engine = MemoryEngine::with_faults(7, Faults::all(5, Duration::from_millis(200))); // 5 times in 100
/// let processes = [(); 3].map(|()| Fleet::new(engine.clone(), [1; 32]));
/// engine.stop(); // from now on nothing is answered
/// # drop(processes);
/// ```
#[derive(Clone)]
pub struct MemoryEngine(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    commands: AtomicU64,
    has_news: bool,
}

struct State {
    store: Store,
    faults: Faults,
    random: SeededRandom,
    news: Vec<News>,
    /// Nothing takes effect, and nothing is answered.
    is_stopped: bool,
    /// Everything fails at once.
    is_down: bool,
    /// Each reply takes this long.
    takes: Duration,
}

impl MemoryEngine {
    /// Returns an engine without faults.
    pub fn new() -> Self {
        Self::with_faults(0, Faults::none())
    }

    /// Returns an engine in which things go wrong as often as `faults` says; the seed chooses where.
    pub fn with_faults(seed: u64, faults: Faults) -> Self {
        Self::made(seed, faults, true)
    }

    /// Returns an engine that brings no news: those who wait have to look.
    pub fn without_news() -> Self {
        Self::made(0, Faults::none(), false)
    }

    fn made(seed: u64, faults: Faults, has_news: bool) -> Self {
        let state = State {
            store: Store::default(),
            faults,
            random: SeededRandom::new(seed),
            news: Vec::new(),
            is_stopped: false,
            is_down: false,
            takes: Duration::ZERO,
        };
        Self(Arc::new(Inner { state: Mutex::new(state), commands: AtomicU64::new(0), has_news }))
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.0.state).faults = faults;
    }

    /// Sets how long each reply takes from now on.
    pub fn takes(&self, time: Duration) {
        lock(&self.0.state).takes = time;
    }

    /// Stops the engine: from now on nothing takes effect, and nothing is answered.
    pub fn stop(&self) {
        lock(&self.0.state).is_stopped = true;
    }

    /// Makes every operation fail at once from now on, as those of a store that is gone.
    pub fn fail(&self) {
        lock(&self.0.state).is_down = true;
    }

    /// Ends what [`stop`](Self::stop) and [`fail`](Self::fail) began. What was asked meanwhile is lost.
    pub fn resume(&self) {
        let mut state = lock(&self.0.state);
        (state.is_stopped, state.is_down) = (false, false);
    }

    /// Returns how many operations have been asked of it.
    pub fn commands(&self) -> u64 {
        self.0.commands.load(Relaxed)
    }

    /// Returns how many flights and messages lie in it now; fences and refused tokens do not count.
    pub fn len(&self) -> usize {
        let mut state = lock(&self.0.state);
        state.store.sweep(Instant::now());
        state.store.len()
    }

    /// Returns whether no flight and no message lies in it now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many flights have begun that nobody has asked to close: at rest none, whatever went wrong.
    pub fn unclosed(&self) -> usize {
        lock(&self.0.state).store.unclosed()
    }

    /// Does to the store what one operation does, at one moment.
    fn apply<T>(&self, chosen: Chosen, operation: &impl Fn(&mut Store, Instant) -> T) -> Result<T, Unavailable> {
        let mut state = lock(&self.0.state);
        if state.is_down {
            return Err(Unavailable::new("the engine was told to fail"));
        }
        let now = Instant::now();
        state.store.sweep(now);
        if chosen.eviction {
            state.store.evict();
        }
        Ok(operation(&mut state.store, now))
    }

    fn operate<T: Send + 'static>(
        &self,
        operation: impl Fn(&mut Store, Instant) -> T + Send + 'static,
        then: impl FnOnce(&Self) + Send + 'static,
    ) -> Reply<T> {
        self.0.commands.fetch_add(1, Relaxed);
        let engine = self.clone();
        let (chosen, takes, is_stopped) = {
            let mut state = lock(&self.0.state);
            let State { random, faults, .. } = &mut *state;
            (random.choose(faults), state.takes, state.is_stopped)
        };
        Box::pin(async move {
            if chosen.lost_command || is_stopped {
                return pending().await;
            }
            if let Some(late) = chosen.late_command {
                sleep(late).await;
            }
            let mut result = engine.apply(chosen, &operation);
            if let Some(later) = chosen.doubled {
                sleep(later).await;
                result = engine.apply(Chosen::default(), &operation);
            }
            if result.is_ok() {
                then(&engine);
            }
            if chosen.false_alarm {
                let news = lock(&engine.0.state).news.clone();
                news.iter().for_each(News::lost);
            }
            let late = chosen.late_reply.unwrap_or_default() + takes;
            if !late.is_zero() {
                sleep(late).await;
            }
            if chosen.lost_reply {
                return pending().await;
            }
            if chosen.failed_reply { Err(Unavailable::new("a fault was asked for")) } else { result }
        })
    }

    /// Tells all processes, each for itself: a piece of news may reach one and not the other.
    fn tell(&self, name: Name, token: Token, message: &Bytes) {
        let told: Vec<_> = {
            let mut state = lock(&self.0.state);
            let State { news, random, faults, .. } = &mut *state;
            let told = news.iter().filter_map(|news| {
                let late = random.late(faults.late_news, faults.delay);
                (!random.loses(faults.lost_news)).then(|| (news.clone(), late))
            });
            told.collect()
        };
        for (news, late) in told {
            let message = Some(message.clone());
            match (late, Spawner::current()) {
                (Some(late), Some(spawner)) => spawner.spawn("singleflight.fleet", async move {
                    sleep(late).await;
                    news.landed(name, token, message);
                }),
                _ => news.landed(name, token, message),
            }
        }
    }
}

impl Engine for MemoryEngine {
    fn join(&self, join: Join) -> Reply<Joined> {
        self.operate(move |store, now| store.join(&join, now), |_| ())
    }

    fn renew(&self, name: Name, token: Token, lease: Duration) -> Reply<bool> {
        self.operate(move |store, now| store.renew(name, token, lease, now), |_| ())
    }

    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed> {
        lock(&self.0.state).store.asked_to_close(token, Instant::now() + refuse);
        self.operate(move |store, now| store.close(name, token, pending, refuse, now), |_| ())
    }

    fn hold(&self, name: Name, token: Token, pending: Duration) -> Reply<()> {
        self.operate(move |store, now| store.hold(name, token, pending, now), |_| ())
    }

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        let told = message.clone();
        self.operate(
            move |store, now| store.land(name, token, message.clone(), keep, now),
            move |engine| engine.tell(name, token, &told),
        )
    }

    fn peek(&self, name: Name, token: Token) -> Reply<Peek> {
        self.operate(move |store, _| store.peek(name, token), |_| ())
    }

    fn fence(&self, scope: FenceScope, keep: Duration) -> Reply<()> {
        self.operate(move |store, now| store.fence(scope, keep, now), |_| ())
    }

    fn news(&self, to: News) -> bool {
        if self.0.has_news {
            let news = &mut lock(&self.0.state).news;
            news.retain(News::is_heard);
            news.push(to);
        }
        self.0.has_news
    }
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine")
            .field("len", &self.len())
            .field("commands", &self.commands())
            .finish_non_exhaustive()
    }
}
