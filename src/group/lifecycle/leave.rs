//! How callers leave a flight before they have its outcome.

use crate::group::{
    after_unlock::{AfterUnlock, Left},
    flight_ref::FlightRef,
    park::WaiterRef,
    shard::{Locked, ShardOutcome},
};
use crate::sync::Spawner;

/// Why a follower leaves.
#[derive(Clone, Copy)]
pub(in crate::group) enum Leaving {
    /// Its caller has left.
    Leaves,
    /// It runs its own work.
    GoesAlone,
    /// Its call has panicked, though its flight's work has not.
    Panics,
}

impl<'a, K, T> Locked<'a, K, T> {
    /// The leader leaves; returns where a task has to be started for work that goes on without it.
    pub(in crate::group) fn leave_as_leader(mut self, at: FlightRef) -> (Option<Spawner>, AfterUnlock<'a, K, T>) {
        let table = &mut *self.table;
        let mut after = AfterUnlock::nothing();
        // Gone => the same: user code panicked in the leader's landing. The slot may be another flight's (invariant 4).
        let Some(flight) = table.get(at) else { return (None, after) };
        if !flight.is_running() {
            // Landed => gone: its part was kept for this caller.
            after.gone = Some(table.take_out(at.slot));
            return (None, after);
        }
        flight.callers -= 1;
        flight.leader = false;
        after.waker = flight.leader_waker.take();
        if flight.scoped && !flight.polled {
            // The task may be waiting for this leader's first poll (invariant 7).
            after.wakes.task = flight.take_task();
        }
        // Shared => the same: followers are left. Solo, Shared => (Shared | Dropping): nobody is.
        if flight.callers > 0 { (None, after) } else { self.last_caller_left(at, after) }
    }

    /// A follower leaves without having taken the outcome. If the outcome has been published nevertheless, what the
    /// follower was counted as then is taken back.
    pub(in crate::group) fn leave_as_follower(
        mut self,
        outcome: &ShardOutcome<K, T>,
        parked: Option<WaiterRef>,
        leaving: Leaving,
    ) -> Left<'a, K, T> {
        let at = outcome.flight;
        let stats = &mut self.table.stats;
        *match leaving {
            Leaving::Leaves => &mut stats.left,
            Leaving::GoesAlone => &mut stats.released,
            Leaving::Panics => &mut stats.panicked,
        } += 1;
        // Solo, Landed, gone => the same: the flight has ended for its followers already.
        if outcome.uncount(stats) || self.table.get(at).is_none() {
            return Left::Others(None);
        }
        let flight = self.table.at(at.slot);
        flight.callers -= 1;
        let waker = parked.and_then(|parked| flight.waiting_mut().waiters.try_remove(parked.index()));
        // Shared, Dropping => the same: others are left, or the work is being dropped already.
        if flight.callers > 0 || !flight.is_running() {
            return Left::Others(waker);
        }
        // Shared => (Shared | Dropping): it was the last one.
        let (launching, after) = self.last_caller_left(at, AfterUnlock { waker, ..AfterUnlock::nothing() });
        debug_assert!(launching.is_none(), "a flight with a follower has its task");
        Left::Last(Box::new(after))
    }
}
