//! Writes, told to the engine: no process lets a flight be joined that began before one of them.
//!
//! While the engine has not acknowledged a write, flights of its scope in this process do not ask the fleet. The engine is
//! told again and again, until it has acknowledged or `lead_limit` has passed: by then all flights from before have ended.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{FenceScope, core::Core, timeout::wait_for, untold::Acknowledgement};
use crate::{sync::Spawner, timer::Timer};

/// How long after a failure the next try comes, at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells the engine of one scope.
struct Task {
    core: Arc<Core>,
    scope: FenceScope,
    /// The engine knows of all writes, and the scope may have another task by now.
    is_done: bool,
}

impl Task {
    async fn run(mut self) {
        let Self { core, scope, is_done } = &mut self;
        // An engine that forgets a fence sooner would let flights from before it be joined.
        let keep = core.settings.lead_limit.saturating_mul(2);
        let mut pause = PAUSE;
        while let Some((writes, until)) = core.untold.writes(*scope) {
            let asked = Instant::now();
            let told = core.ask(|engine| engine.fence(*scope, keep)).await;
            if told.is_ok() {
                pause = PAUSE;
                // Where a process only writes, nothing else finds out that the engine answers again.
                if asked.elapsed() <= core.settings.budget {
                    core.breaker.succeeded();
                }
                if core.untold.told(*scope, writes) {
                    *is_done = true;
                    core.tell_untold();
                    break;
                }
            } else if until <= Instant::now() {
                break;
            } else {
                if wait_for(pause).await.is_err() {
                    break;
                }
                pause = pause.saturating_mul(2).min(PAUSE * 10);
            }
        }
    }
}

/// Gives up what is not done: all flights from before have ended, or the runtime has.
impl Drop for Task {
    fn drop(&mut self) {
        if !self.is_done {
            self.core.untold.give_up(self.scope);
            self.core.tell_untold();
        }
    }
}

/// Ends the time to join of all flights of these scopes, on all processes.
pub(super) fn fence(core: &Arc<Core>, scopes: impl IntoIterator<Item = FenceScope>) -> Fencing {
    let spawner = core.spawner();
    let mut acknowledgements = Vec::new();
    for scope in scopes {
        let Some((acknowledgement, starts)) = core.untold.enter(scope, core.settings.lead_limit, spawner.is_some())
        else {
            core.counts.count_unfenced();
            continue;
        };
        if let (true, Some(spawner)) = (starts, &spawner) {
            let task = Task { core: Arc::clone(core), scope, is_done: false };
            core.tasks.start(spawner.clone(), None, task.run());
        }
        acknowledgements.push(acknowledgement);
    }
    core.tell_untold();
    // An engine that has not answered of late is told all the same, but nobody waits for that. Nor does anybody wait on
    // a thread without a runtime.
    if Spawner::current().is_none() || !core.breaker.lets_pass() {
        acknowledgements.iter().for_each(|_| core.counts.count_unfenced());
        acknowledgements.clear();
    }
    Fencing { told: Box::pin(all(acknowledgements)), timer: Timer::after(core.settings.budget), core: Arc::clone(core) }
}

async fn all(acknowledgements: Vec<Acknowledgement>) {
    for Acknowledgement { mut told, write } in acknowledgements {
        // If the task has ended without it, there is nothing more to wait for.
        let _ = told.wait_for(|told| *told >= write).await;
    }
}

/// Writes that are being told: ready when the engine knows of them, or the budget is spent.
pub(crate) struct Fencing {
    told: BoxFuture<'static, ()>,
    timer: Timer,
    core: Arc<Core>,
}

impl Future for Fencing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.told.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.timer.poll(cx).map(|_| {
            self.core.breaker.failed();
            self.core.counts.count_unfenced();
        })
    }
}
