//! How a follower waits for the flight of another process: news is a hint, and looking is what counts.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::{
    Name, Peek, Token,
    core::Core,
    message::Message,
    role::FleetReason,
    timeout::within,
    waiters::{Hint, Waiter},
};
use crate::{panic::quietly, sync::Spawner};

/// With news, waiters look this often, or four times in a lease if that is more often. So soon they notice that the
/// engine stalls.
const TICK: Duration = Duration::from_millis(250);
/// Without news, waiters look each time that they have waited for an eighth longer, within these bounds.
const SHORTEST_POLL: Duration = Duration::from_millis(10);
const LONGEST_POLL: Duration = Duration::from_millis(200);
/// When a lease is over, waiters pause for this long before they join again, so that not all of a fleet do at once.
const JITTER: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));

/// What comes of waiting.
pub(super) enum Waited {
    Landed(Message),
    JoinAgain,
    Local(FleetReason),
}

/// Lets nobody join a flight of this process any more.
pub(super) type Forget = Box<dyn Fn() + Send + Sync>;

/// Waits for a flight that was joined, until `until` at most (F7); `remaining`: how long its lease has to go.
pub(super) async fn wait(
    core: &Arc<Core>,
    waiter: &mut Waiter,
    name: Name,
    token: Token,
    remaining: Duration,
    until: Instant,
    forget: &Forget,
) -> Waited {
    let began = Instant::now();
    // What the engine says is not believed further than the wait goes.
    let lease_ends = (began + remaining.min(until.saturating_duration_since(began))).min(until);
    let lease_ends = lease_ends + core.random.pause(JITTER.0, JITTER.1);
    // Then a flight that the engine finds nothing of is gone: it has told of this one, or tells of all that go on.
    let mut seen = core.tells_running.load(Relaxed);
    let mut pending = false;
    // When it last looked at the flight.
    let mut looked = began;
    loop {
        let now = Instant::now();
        // News without end is no reason to wait without end.
        if now >= until {
            return Waited::Local(FleetReason::WaitedTooLong);
        }
        let mut wake = (looked + tick(core, looked.duration_since(began))).min(until);
        if !pending {
            wake = wake.min(lease_ends);
        }
        let sealed = match within(wake.saturating_duration_since(now), waiter.next()).await {
            Some(Hint::Landed(own, Some(sealed))) if own == token => Some(sealed),
            // F2: news of another flight does not concern this caller. However much of it comes, it looks in time.
            Some(Hint::Landed(other, _)) if other != token && Instant::now() < wake => continue,
            None if Instant::now() >= until => continue,
            Some(Hint::Landed(..) | Hint::Look) | None => None,
        };
        let sealed = match sealed {
            Some(sealed) => sealed,
            None => match peek(core, name, token).await {
                Err(reason) => return Waited::Local(reason),
                Ok(Peek::Landed(sealed)) => sealed,
                Ok(Peek::Pending) => {
                    (seen, pending, looked) = (true, true, Instant::now());
                    // Invariant 3: a caller that comes from now on would get what others have had already. The callers of this
                    // process's flight get it all the same, even if the key's `Eq` panics here.
                    quietly(forget);
                    continue;
                }
                // It is gone without a word: its process has died, say.
                Ok(Peek::Gone) if seen => return Waited::JoinAgain,
                Ok(peeked) => {
                    if peeked == Peek::Running {
                        seen = true;
                        core.tells_running.store(true, Relaxed);
                    }
                    (pending, looked) = (false, Instant::now());
                    if looked >= lease_ends {
                        return Waited::JoinAgain;
                    }
                    continue;
                }
            },
        };
        // F2, F6: it is read under the token that was joined, or not at all.
        return match core.open(name, token, &sealed) {
            Ok(message) => Waited::Landed(message),
            Err(_) => Waited::Local(FleetReason::BadMessage),
        };
    }
}

fn tick(core: &Core, waited: Duration) -> Duration {
    if core.has_news {
        (core.settings.lease / 4).min(TICK).max(Duration::from_millis(1))
    } else {
        (waited / 8).clamp(SHORTEST_POLL, LONGEST_POLL)
    }
}

/// Looks at a flight, within the budget.
async fn peek(core: &Arc<Core>, name: Name, token: Token) -> Result<Peek, FleetReason> {
    let Some(spawner) = Spawner::current() else { return Err(FleetReason::NoRuntime) };
    let Some(room) = core.tasks.room() else { return Err(FleetReason::Busy) };
    let (told, answer) = oneshot::channel();
    let asked = Arc::clone(core);
    core.tasks.start(spawner, Some(room), async move {
        let _ = told.send(asked.ask(|engine| engine.peek(name, token)).await);
    });
    match within(core.settings.budget, answer).await {
        Some(Ok(Ok(peeked))) => {
            core.breaker.succeeded();
            Ok(peeked)
        }
        _ => {
            core.breaker.failed();
            Err(FleetReason::Unavailable)
        }
    }
}
