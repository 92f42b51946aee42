//! How a flight ends whose work has not ended: its last caller has left, or its task has died.

use tokio::time::Instant;

use super::flight::{Ending, Stage};
use crate::group::{
    after_unlock::{AfterUnlock, ClosedWork},
    flight_ref::FlightRef,
    report::EventReport,
    shard::Locked,
    shared_outcome::Told,
    wake_list::WakeList,
    work::BoxedWork,
};
use crate::{End, OnAbandon, sync::Spawner};

impl<'a, K, T> Locked<'a, K, T> {
    /// Solo, Shared => (Shared | Dropping), in the critical section of the leaving (invariant 5). Returns where a task
    /// has to be started, for work that goes on and has none yet.
    pub(super) fn last_caller_left(
        mut self,
        at: FlightRef,
        mut after: AfterUnlock<'a, K, T>,
    ) -> (Option<Spawner>, AfterUnlock<'a, K, T>) {
        let on_abandon = self.shard.limits.on_abandon;
        let flight = self.table.at(at.slot);
        let keep = flight.finish || (flight.polled && on_abandon != OnAbandon::Cancel);
        let launching = if keep && flight.stage == Stage::Solo { Spawner::current() } else { None };
        if !keep || (flight.stage == Stage::Solo && launching.is_none()) {
            return (None, self.close(at, End::Abandoned, after));
        }
        after.report = launching.as_ref().and_then(|_| EventReport::on_move(self.shard, flight));
        flight.enter(Stage::Shared);
        if let (OnAbandon::CancelAfter(grace), false) = (on_abandon, flight.finish) {
            flight.waiting_mut().grace = Instant::now().checked_add(grace);
            // The task sets its timer when it is polled.
            after.wakes.task = flight.take_task();
        }
        (launching, after)
    }

    /// Shared => (Shared | Dropping): the grace is over, or the wait for the turn. If somebody has joined at the last
    /// moment, the flight no longer has this deadline, and goes on.
    pub(in crate::group) fn expire(mut self, at: FlightRef, deadline: Instant) -> AfterUnlock<'a, K, T> {
        let after = AfterUnlock::nothing();
        let Some(flight) = self.table.get(at).filter(|flight| flight.is_running()) else { return after };
        if flight.grace() != Some(deadline) {
            return if flight.deadline() == Some(deadline) { self.overtake(at) } else { after };
        }
        self.close(at, End::Abandoned, after)
    }

    /// Shared => (Solo | Dropping): the task was dropped without an outcome. The leader drives on, unlisted, and its
    /// followers go alone; with no leader the work is dropped before anyone is told.
    pub(in crate::group) fn lose(mut self, at: FlightRef) -> AfterUnlock<'a, K, T> {
        let table = &mut *self.table;
        let mut after = AfterUnlock::nothing();
        let Some(flight) = table.get(at).filter(|flight| flight.stage == Stage::Shared) else { return after };
        after.lost = Some(at.id(self.shard.number)).filter(|_| !flight.over);
        if !flight.leader {
            return self.close(at, End::Lost, after);
        }
        table.count_end(at.slot, End::Lost);
        after.report = EventReport::on_end(self.shard, table.at(at.slot), End::Lost);
        let (key, successor) = table.release_key(at.slot);
        let (flight, stats) = table.at_counted(at.slot);
        flight.tell(Told::Lost, stats);
        flight.callers = 1;
        flight.enter(Stage::Solo);
        let wakes = WakeList { successor, ..flight.take_wakers() };
        AfterUnlock { key, wakes, waiting: flight.waiting.take(), ..after }
    }

    /// Solo, Shared => Dropping: nobody can join any more, and the work is dropped, here or by whoever is polling it. A
    /// flight that waits behind this one has the key from now on, and starts when the drop is done (invariant 5).
    fn close(mut self, at: FlightRef, how: End, mut after: AfterUnlock<'a, K, T>) -> AfterUnlock<'a, K, T> {
        self.table.uncount(at.slot);
        self.table.count_end(at.slot, how);
        let flight = self.table.at(at.slot);
        after.report = EventReport::on_end(self.shard, flight, how);
        let next = flight.next();
        flight.enter(Stage::Dropping);
        let work = flight.work.take();
        if let Some(next) = next {
            self.table.pass_key(at.slot, next);
        }
        if let Some(work) = work {
            after.closed = Some(ClosedWork::new(self.shard, at, Ending::Value { work, share: false }));
        }
        after
    }

    /// Solo, Shared => the same, or Dropping => gone: a poll has not ended the work.
    pub(in crate::group) fn return_work(mut self, at: FlightRef, work: BoxedWork<T>) -> AfterUnlock<'a, K, T> {
        let mut after = AfterUnlock::nothing();
        match self.table.get(at) {
            // Dropping => gone, once the work is dropped: the last caller left during the poll.
            Some(flight) if matches!(flight.stage, Stage::Dropping) => {
                after.closed = Some(ClosedWork::new(self.shard, at, Ending::Value { work, share: false }));
            }
            // Solo, Shared => the same: the work is there for the next poll. The task is woken, if it waits for it.
            Some(flight) => {
                flight.work = Some(work);
                after.wakes.task = flight.take_task();
            }
            // Gone => the same: nobody is left who could want the work.
            None => after.unwanted = Some(Ending::Value { work, share: false }),
        }
        after
    }

    /// Dropping => gone: the work is dropped; frees the key, lets the successor start, tells followers if any are left.
    pub(in crate::group) fn finish_drop(mut self, at: FlightRef) -> AfterUnlock<'a, K, T> {
        let table = &mut *self.table;
        let mut after = AfterUnlock::nothing();
        let (key, successor) = table.release_key(at.slot);
        let (flight, stats) = table.at_counted(at.slot);
        flight.tell(Told::Lost, stats);
        (after.key, after.wakes) = (key, WakeList { successor, ..flight.take_wakers() });
        after.gone = Some(table.take_out(at.slot));
        after
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::advance;
    use tokio_test::{assert_pending, task};

    use crate::{Group, Limits, OnAbandon};

    /// Between the firing of a timer and the lock, others may come, and leave again.
    #[tokio::test(start_paused = true)]
    async fn a_grace_that_is_over_as_somebody_joins_abandons_nothing() {
        const SECOND: Duration = Duration::from_secs(1);
        let group = Group::with_limits(Limits::new().on_abandon(OnAbandon::CancelAfter(SECOND)));
        let mut leader = task::spawn(group.call("key", pending::<u32>));
        assert_pending!(leader.poll());
        drop(leader);
        let (shard, _) = group.shard("key");
        let mut joinable = Vec::new();
        shard.lock().clone_joinable(&mut joinable);
        let (flight, _) = joinable[0];
        let deadline = shard.lock().get(flight).and_then(|flight| flight.grace()).expect("nobody waits");
        advance(SECOND / 2).await;

        let follower = group.call("key", pending);
        shard.lock().expire(flight, deadline).run();
        assert_eq!(group.callers("key"), 1, "the follower is on the flight");
        drop(follower);
        shard.lock().expire(flight, deadline).run();
        assert_eq!(group.in_flight(), 1, "its leaving has begun a grace of its own");
        shard.lock().expire(flight, deadline + SECOND / 2).run();
        assert!(group.is_empty());
    }
}
