//! The task of a shared flight: it polls the work, so that no caller has to (invariant 7).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::{
    flight::{NeedsWaker, Stage, park},
    loan::Loan,
    panic::catch,
    shard::{Lander, Shard},
    table::At,
    wake::Wakes,
};
use crate::{OnAbandon, sync::Spawner};

/// Lives until the flight ends. Dropped before that (its runtime is gone), it loses the flight.
pub(super) struct Task<K, T> {
    shard: Arc<Shard<K, T>>,
    at: At,
    /// The timer of `CancelAfter`; `Some` while the flight has no callers.
    grace: Option<(Instant, Pin<Box<Sleep>>)>,
    head_start: HeadStart,
}

/// How long a scoped flight's task leaves the first poll to the leader: a caller that is not polled must not hold up
/// the others (invariant 7).
const HEAD_START: Duration = Duration::from_millis(10);

/// The leader's time to make the first poll.
enum HeadStart {
    Untouched,
    Running(Pin<Box<Sleep>>),
    Over,
}

impl HeadStart {
    fn poll(&mut self, cx: &mut Context<'_>) {
        // tokio panics where there are no timers, or not any more, and there is no way to ask.
        let elapsed = catch(|| {
            if let Self::Untouched = self {
                *self = Self::Running(Box::pin(sleep(HEAD_START)));
            }
            match self {
                Self::Running(sleep) => sleep.as_mut().poll(cx).is_ready(),
                Self::Untouched | Self::Over => true,
            }
        });
        if elapsed.unwrap_or(true) {
            *self = Self::Over;
        }
    }
}

/// Starts the task of a flight.
pub(super) type Launch<K, T> = fn(Spawner, Arc<Shard<K, T>>, At);

/// Starts the task of a flight that has just become shared. Never called under a lock: a runtime that is shutting down
/// drops the task here and now.
pub(super) fn launch<K, T>(spawner: Spawner, shard: Arc<Shard<K, T>>, at: At)
where
    K: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    spawner.spawn(Task { shard, at, grace: None, head_start: HeadStart::Untouched });
}

impl<K, T> Future for Task<K, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (mut spare, mut timed) = (None, false);
        loop {
            self.cancel_after_grace(cx);
            let shard = &*self.shard;
            let mut table = shard.lock();
            let Some(flight) = table.get(self.at) else { return Poll::Ready(()) };
            if !matches!(flight.stage, Stage::Shared) {
                return Poll::Ready(());
            }
            // Shared => Shared: the scope wants the leader's own task, for as long as its head start lasts.
            let over = matches!(self.head_start, HeadStart::Over);
            if flight.awaits_leader() && !over && !timed {
                let leader = flight.leader_waker.take();
                drop(table);
                Wakes { leader, ..Wakes::default() }.wake();
                self.head_start.poll(cx);
                timed = true;
                continue;
            }
            let startable = !flight.is_blocked() && (over || !flight.awaits_leader());
            let first = !flight.polled;
            let registered = flight.rare_mut().task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
            let Some(mut loan) = startable.then(|| Loan::take(shard, self.at, flight)).flatten() else {
                // Shared => Shared: the leader is polling the work, or a predecessor's is being dropped.
                match park(&mut flight.rare_mut().task, spare.take(), cx) {
                    Ok(superfluous) => {
                        drop(table);
                        drop(superfluous);
                        return Poll::Pending;
                    }
                    Err(NeedsWaker) => {
                        drop(table);
                        spare = Some(cx.waker().clone());
                        continue;
                    }
                }
            };
            drop(table);
            if first {
                loan.moved();
            }
            if let Poll::Ready(ending) = loan.poll(cx) {
                drop(loan);
                // With no callers left the outcome is for nobody.
                drop(shard.land(self.at, ending, Lander::Task));
                return Poll::Ready(());
            }
            if !registered {
                spare = spare.or_else(|| Some(cx.waker().clone()));
            }
            let mut table = shard.lock();
            let flight = table.at(self.at.slot);
            if matches!(flight.stage, Stage::Dying) {
                // Dying => gone: the last caller left during this poll.
                drop(table);
                if let Some(work) = loan.keep() {
                    shard.drop_work(self.at, work);
                }
                return Poll::Ready(());
            }
            loan.give_back(flight);
            // Taken meanwhile, the old waker has been woken: then this task is polled again, and parks anew.
            let superfluous = park(&mut flight.rare_mut().task, spare, cx);
            drop(table);
            drop(superfluous);
            // Who left during this poll may have found no waker to tell of the grace.
            self.cancel_after_grace(cx);
            return Poll::Pending;
        }
    }
}

impl<K, T> Task<K, T> {
    /// Keeps the timer of a flight without callers, and abandons the flight when it fires.
    fn cancel_after_grace(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.shard.limits.on_abandon, OnAbandon::CancelAfter(_)) {
            return;
        }
        let deadline = self.shard.lock().get(self.at).and_then(|flight| flight.grace());
        let Some(deadline) = deadline else {
            self.grace = None;
            return;
        };
        match &mut self.grace {
            Some((set, _)) if *set == deadline => {}
            grace => *grace = Some((deadline, Box::pin(sleep_until(deadline)))),
        }
        let Some((_, sleep)) = &mut self.grace else { return };
        if sleep.as_mut().poll(cx).is_pending() {
            return;
        }
        let mut table = self.shard.lock();
        // Joined at the last moment, the flight has no deadline any more.
        if table.get(self.at).is_some_and(|flight| flight.grace() == Some(deadline) && flight.is_running()) {
            self.shard.abandon(table, self.at);
        }
    }
}

impl<K, T> Drop for Task<K, T> {
    fn drop(&mut self) {
        self.shard.lose(self.at);
    }
}
