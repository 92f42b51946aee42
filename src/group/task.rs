//! The task of a shared flight: it polls the work, so that no caller has to (invariant 7).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    flight_ref::FlightRef,
    lifecycle::{Driver, Stage},
    park::{NeedsWaker, park},
    poll_guard::PollGuard,
    shard::Shard,
    wake_list::WakeList,
};
use crate::{OnAbandon, sync::Spawner, timer::Timer};

/// Lives until the flight ends. If it is dropped before that, as its runtime is shut down, the flight is lost.
pub(super) struct Task<K, T> {
    shard: Arc<Shard<K, T>>,
    flight: FlightRef,
    /// `Some` while the flight has a deadline: that of `CancelAfter` while it has no callers, or that of its wait for
    /// its turn.
    deadline: Option<Timer>,
    /// How much is left of the time in which the leader may make the first poll.
    head_start: HeadStart,
}

/// How long a scoped flight's task leaves the first poll to the leader: a caller that is not polled must not hold up
/// the others (invariant 7).
const HEAD_START: Duration = Duration::from_millis(10);

/// The leader's time to make the first poll.
enum HeadStart {
    Untouched,
    Running(Timer),
    Over,
}

impl HeadStart {
    /// Notes whether the time is over, and else waits for that. Where there are no timers it is over at once.
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Self::Untouched = self {
            *self = Self::Running(Timer::after(HEAD_START));
        }
        if let Self::Running(timer) = self {
            if timer.poll(cx).is_ready() {
                *self = Self::Over;
            }
        }
    }
}

/// Starts the task of a flight that has just become shared. Never called under a lock: a runtime that is shutting down
/// drops the task here and now.
pub(super) fn launch<K, T>(spawner: Spawner, shard: Arc<Shard<K, T>>, flight: FlightRef)
where
    K: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let task = Task { shard, flight, deadline: None, head_start: HeadStart::Untouched };
    spawner.spawn("singleflight.flight", task);
}

impl<K, T> Future for Task<K, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (mut spare, mut timed, mut waited) = (None, false, false);
        loop {
            self.cancel_after_grace(cx);
            let shard = &*self.shard;
            let mut locked = shard.lock();
            let Some(flight) = locked.get(self.flight) else { return Poll::Ready(()) };
            if flight.stage() != Stage::Shared {
                return Poll::Ready(());
            }
            // Shared => Shared: the scope wants the leader's own task, for as long as its head start lasts.
            let over = matches!(self.head_start, HeadStart::Over);
            if flight.awaits_leader() && !over && !timed {
                let leader = flight.leader_waker.take();
                locked.unlock();
                WakeList { leader, ..WakeList::default() }.wake();
                self.head_start.poll(cx);
                timed = true;
                continue;
            }
            // Shared => Shared: it waits for its turn, and perhaps has done so for long enough.
            if !waited && flight.turn().is_some_and(|turn| turn.overtakes.is_some()) {
                locked.unlock();
                self.keep_deadline(cx);
                waited = true;
                continue;
            }
            let startable = !flight.is_blocked() && (over || !flight.awaits_leader());
            let first = !flight.polled;
            let registered = flight.waiting_mut().task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
            let Some(work) = startable.then(|| flight.take_work()).flatten() else {
                // Shared => Shared: the leader is polling the work, or a predecessor's has not ended.
                match park(&mut flight.waiting_mut().task, spare.take(), cx) {
                    Ok(superfluous) => {
                        locked.unlock();
                        drop(superfluous);
                        return Poll::Pending;
                    }
                    Err(NeedsWaker) => {
                        locked.unlock();
                        spare = Some(cx.waker().clone());
                        continue;
                    }
                }
            };
            locked.unlock();
            let mut work = PollGuard::new(shard, self.flight, work);
            if first {
                work.moved();
            }
            if let Poll::Ready(ending) = work.poll(cx) {
                // With no callers left the outcome is for nobody.
                shard.lock().land(self.flight, ending, Driver::Task).run_for_others();
                return Poll::Ready(());
            }
            if !registered {
                spare = spare.or_else(|| Some(cx.waker().clone()));
            }
            let mut locked = shard.lock();
            let flight = locked.at(self.flight.slot);
            if flight.stage() == Stage::Dropping {
                // Dropping => gone: the last caller left during this poll, and the guard drops the work.
                locked.unlock();
                return Poll::Ready(());
            }
            work.give_back(flight);
            // If somebody took our waker during this poll, they have woken it: this task will be polled again and will
            // register a new one.
            let superfluous = park(&mut flight.waiting_mut().task, spare, cx);
            locked.unlock();
            drop(superfluous);
            // If the last caller left during this poll, it may have found no waker to tell this task that the grace has
            // begun.
            self.cancel_after_grace(cx);
            return Poll::Pending;
        }
    }
}

impl<K, T> Task<K, T> {
    fn cancel_after_grace(&mut self, cx: &mut Context<'_>) {
        if matches!(self.shard.limits.on_abandon, OnAbandon::CancelAfter(_)) {
            self.keep_deadline(cx);
        }
    }

    /// Keeps the timer of a flight without callers, or of one that waits for its turn. When it fires, the flight is abandoned,
    /// or starts beside the one that runs.
    fn keep_deadline(&mut self, cx: &mut Context<'_>) {
        let mut locked = self.shard.lock();
        let deadline = locked.get(self.flight).and_then(|flight| flight.deadline());
        locked.unlock();
        self.deadline = deadline.map(|deadline| match self.deadline.take() {
            Some(timer) if timer.deadline() == deadline => timer,
            _ => Timer::at(deadline),
        });
        let Some(timer) = &mut self.deadline else { return };
        // Where there are no timers the time is over at once, since nothing would tell when it is.
        if timer.poll(cx).is_ready() {
            self.shard.lock().expire(self.flight, timer.deadline()).run_for_others();
        }
    }
}

impl<K, T> Drop for Task<K, T> {
    fn drop(&mut self) {
        self.shard.lock().lose(self.flight).run_for_others();
    }
}
