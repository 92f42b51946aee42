//! Every transition of a flight: only this file and those below it change a flight's stage.
//!
//! ```text
//!         ┌──────────────(the task dies)─────────────┐
//!         ▼                                          │
//! ──►  Solo ──────(a second caller joins)──────►  Shared ──► Landed ──► gone
//!         │                                          │
//!         └──(the last caller leaves)──► Dropping ◄──┘
//! ```
//!
//! A solo flight that nobody joined is gone as soon as it lands; one that is to finish without its leader becomes shared
//! without a second caller. Each transition takes the locked shard by value, and returns what is to be done once the lock is released.
//!
//! # Invariants
//!
//! 1. At most one listed flight per key and group, and at most one that waits behind it, which only fresh callers find,
//!    through it.
//! 2. Joining is synchronous: when `call` returns, the caller is registered.
//! 3. "No longer joinable" and "removed from the index" are one critical section, and come before anyone can see the
//!    outcome: no caller ever receives the outcome of a flight that had landed when it called.
//! 4. Removal checks identity: the end of a forgotten or replaced flight never evicts its successor.
//! 5. "Last caller left" and "no longer joinable" are one critical section: nobody joins a flight that is being dropped.
//!    Until its work is dropped the key keeps a mark; who finds it leads a new flight, whose work starts when the drop is
//!    done. (The leader of a lost flight is like one alone, and does not wait; a flight that has waited for its
//!    turn for too long starts beside the one that runs.)
//! 6. User code never runs under a lock; `Eq` of keys, and `Clone` of keys for `forget_where`, are the exceptions: both
//!    look, and change nothing.
//! 7. Progress never depends on a particular caller being polled.
//! 8. However a flight ends, the key is free and every caller is told.
//! 9. A parked caller costs no CPU: one poll to park, one to land, however often the work is woken.
//! 10. Joining and leaving are O(1); landing is O(callers).
//! 11. `shared`, roles and counts are frozen at landing.
//! 12. A group at rest holds nothing: no flight, no task, no waker; and of its tables room for one flight more in each
//!     shard that has had two at once.
//! 13. A fresh caller never gets the outcome of work that was first polled before it called: it joins a flight whose work
//!     has not begun, or waits behind one whose work has. To see which, and to join, are one critical section; so are
//!     taking the work for a poll and marking it as begun.

mod abandon;
mod fresh;

use std::{sync::Arc, task::Waker};

use self::fresh::release_next;
use super::{
    after_unlock::{AfterUnlock, Closed, Followed, Led, Watched},
    flight::{Ending, Flight, New, Stage},
    flight_ref::FlightRef,
    park::WaiterRef,
    reentrancy::Edge,
    report::Report,
    shard::Locked,
    shared_outcome::SharedOutcome,
    wake_list::WakeList,
};
use crate::{Stats, sync::Spawner};

/// Who polled the work when it ended.
#[derive(Clone, Copy)]
pub(super) enum Driver {
    Leader,
    Task,
}

impl<'a, K, T> Locked<'a, K, T> {
    /// none => (Solo | Shared): with a key, the flight is listed in the place of `old` (invariant 1).
    #[inline(always)]
    pub(super) fn lead(mut self, new: New<T>, key: Option<K>, old: Option<usize>) -> Led<K> {
        let (from, number) = (new.from, self.shard.number);
        let table = &mut *self.table;
        table.stats.led += u64::from(key.is_some());
        // A tombstone: the new work starts when the old one's drop is done (invariant 5).
        let tombstone = old.filter(|old| !table.at(*old).is_running());
        let old_key = old.and_then(|old| table.unlist(old));
        let flight = table.insert(|serial| Flight::new(new, serial, key));
        if let Some(old) = tombstone {
            table.at(flight.slot).waiting_mut().blocked_by = Some(old);
            table.at(old).waiting_mut().successor = Some(flight.slot);
        }
        Led { edge: from.map(|from| Edge::to_new(flight.id(number), from)), flight, old_key }
    }

    /// Solo, Shared => Shared: one more follower.
    pub(super) fn follow(mut self, at: FlightRef, finish: bool) -> Followed<T> {
        let (flight, stats) = self.table.at_counted(at.slot);
        stats.followed += 1;
        flight.callers += 1;
        flight.finish |= finish;
        let moves = flight.stage == Stage::Solo;
        flight.stage = Stage::Shared;
        let waiting = flight.waiting_mut();
        waiting.grace = None;
        let outcome = Arc::clone(waiting.outcome.get_or_insert_with(|| Arc::new(SharedOutcome::new(at))));
        Followed { outcome, moves }
    }

    /// Solo => gone: nobody joined and nothing waits, so the leader lands it, and the key is freed (invariants 3, 4).
    /// Spares a call that nobody joined all that [`land`](Self::land) has to ask; else returns the lock.
    #[inline]
    pub(super) fn land_alone(mut self, at: FlightRef) -> Result<(Option<K>, Option<Waker>), Self> {
        let flight = self.table.at(at.slot);
        if !flight.is_alone() || flight.leader_call.is_some() {
            return Err(self);
        }
        Ok(self.table.take_alone(at.slot))
    }

    /// Solo => gone: likewise, of a flight that somebody watches; or returns the lock and the ending.
    #[cold]
    #[inline(never)]
    pub(super) fn land_watched(
        mut self,
        at: FlightRef,
        ending: Ending<T>,
    ) -> Result<Watched<'a, K, T>, (Self, Ending<T>)> {
        let flight = self.table.at(at.slot);
        let leader_call = if flight.is_alone() { flight.leader_call.take() } else { None };
        let Some(leader_call) = leader_call else { return Err((self, ending)) };
        Ok(Watched { shard: self.shard, at, leader_call, ending, rest: self.table.take_alone(at.slot) })
    }

    /// Solo, Shared => (Landed | gone): frees the key, publishes the outcome, wakes those who wait, in this order
    /// (invariant 3). Whoever lands the flight is running already and needs no wake-up; the other of the two (leader,
    /// task) is woken with the followers, so that it can finish.
    pub(super) fn land(mut self, at: FlightRef, ending: Ending<T>, driver: Driver) -> AfterUnlock<'a, K, T> {
        let table = &mut *self.table;
        let mut after = AfterUnlock::nothing();
        if !table.at(at.slot).is_running() {
            // Dropping => gone: all left during the last poll.
            after.closed = Some(Closed::new(self.shard, at, ending));
            return after;
        }
        after.report = Report::on_landing(self.shard, table.at(at.slot), &ending);
        after.next = release_next(self.shard, table, at.slot, &ending);
        let (key, successor) = table.release_key(at.slot);
        let (flight, stats) = table.at_counted(at.slot);
        let mut wakes = WakeList { successor, ..flight.take_wakers() };
        let (waker, others) = match driver {
            Driver::Leader => (wakes.leader.take(), flight.callers - 1),
            Driver::Task => (wakes.task.take(), flight.callers),
        };
        (after.key, after.waker, after.wakes) = (key, waker, wakes);
        if others == 0 {
            after.gone = Some(table.remove(at.slot));
            after.own = Some(ending);
            return after;
        }
        after.unwanted = publish(flight, ending, stats);
        if !flight.leader {
            after.gone = Some(table.remove(at.slot));
        }
        after
    }

    /// Landed => gone: the leader takes its part.
    pub(super) fn take_landed(mut self, at: FlightRef) -> Flight<K, T> {
        self.table.remove(at.slot)
    }

    /// The leader leaves; returns where a task has to be started for work that goes on without it.
    pub(super) fn leave_as_leader(mut self, at: FlightRef) -> (Option<Spawner>, AfterUnlock<'a, K, T>) {
        let table = &mut *self.table;
        let mut after = AfterUnlock::nothing();
        // Gone, if user code panicked in the leader's landing: the slot may be another flight's (invariant 4).
        let Some(flight) = table.get(at) else { return (None, after) };
        if !flight.is_running() {
            // Landed => gone
            after.gone = Some(table.remove(at.slot));
            return (None, after);
        }
        flight.callers -= 1;
        flight.leader = false;
        after.waker = flight.leader_waker.take();
        if flight.scoped && !flight.polled {
            // The task may be waiting for this leader's first poll (invariant 7).
            after.wakes.task = flight.take_task();
        }
        if flight.callers > 0 { (None, after) } else { self.last_caller_left(at, after) }
    }

    /// A follower leaves that has not been told the outcome, unless it has been meanwhile.
    pub(super) fn leave_as_follower(
        mut self,
        outcome: &SharedOutcome<T>,
        parked: Option<WaiterRef>,
        goes_alone: bool,
    ) -> AfterUnlock<'a, K, T> {
        let at = outcome.flight;
        let mut after = AfterUnlock::nothing();
        // Told while the lock was waited for: a lost flight is its leader's alone.
        if outcome.is_told() || self.table.get(at).is_none() {
            return after;
        }
        let (flight, stats) = self.table.at_counted(at.slot);
        stats.released += u64::from(goes_alone);
        stats.left += u64::from(!goes_alone);
        flight.callers -= 1;
        after.waker = parked.and_then(|parked| flight.waiting_mut().waiters.try_remove(parked.index()));
        if flight.callers > 0 || !flight.is_running() {
            return after;
        }
        let (launching, after) = self.last_caller_left(at, after);
        debug_assert!(launching.is_none(), "a flight with a follower has its task");
        after
    }
}

/// Publishes how the work ended to every caller still on the flight, once and for all (invariant 11). Returns what
/// nobody will receive.
fn publish<K, T>(flight: &mut Flight<K, T>, ending: Ending<T>, stats: &mut Stats) -> Option<Ending<T>> {
    let (told, own, unwanted) = flight.divide(ending);
    flight.tell(told, stats);
    if flight.leader {
        flight.stage = Stage::Landed;
        flight.waiting_mut().own = own;
        return unwanted;
    }
    unwanted.or(own)
}
