//! Every change of a flight's stage, and every removal of a flight.
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
//! without a second caller. The transitions are in the files below this one: how a flight begins (`begin`), lands (`landing`)
//! and is left (`leave`, `abandon`), and how one waits behind another (`fresh`, `keys`). Each takes the locked shard by value, and
//! returns what is to be done once the lock is released; the parts that several have in common (`keys`, `release_next`) return
//! theirs to them. All of it must be used. They change a stage, take a flight off the index and take it out by the
//! methods of this file alone, which a test keeps (`tests/house/flights.rs`); outside of this module the compiler lets nobody do
//! so.
//!
//! # Invariants
//!
//! 1. At most one listed flight per key and group, and at most one that waits behind it, which only fresh callers find,
//!    through it.
//! 2. Joining is synchronous: when `call` returns, the caller is registered.
//! 3. "No longer joinable" and "removed from the index" are one critical section, and come before anyone can see the
//!    outcome: no caller ever receives the outcome of a flight that had landed when it called.
//! 4. Removal checks identity: the end of a forgotten or replaced flight never evicts its successor.
//! 5. "Last caller left" and "no longer joinable" are one critical section: nobody joins a flight that is being
//!    dropped. Until its work is dropped the key keeps a mark, the tombstone; a caller that finds it leads a new
//!    flight, whose work starts when the drop is done. (Two flights do not wait: a lost one, whose leader drives the
//!    work on as if alone; and one that has waited too long for its turn, which starts beside the one that runs.)
//! 6. User code never runs under a lock. The exceptions are `Eq` of keys, and `Clone` of keys for `forget_where`:
//!    neither changes anything of the group.
//! 7. Progress never depends on a particular caller being polled.
//! 8. However a flight ends, the key is free and every caller is told.
//! 9. A parked caller costs no CPU: one poll to park, one to land, however often the work is woken.
//! 10. Joining and leaving are O(1); landing is O(callers).
//! 11. `shared`, roles and counts are frozen at landing.
//! 12. A group at rest holds nothing: no flight, no task, no waker; and of its tables room for one flight more in each
//!     shard that has had two at once.
//! 13. A fresh caller never gets the outcome of work that was first polled before it called: it joins a flight whose work
//!     has not begun, or waits behind one whose work has. Seeing which, and joining, are one critical section; so are
//!     taking the work for a poll and marking it as begun.

mod abandon;
mod begin;
mod flight;
mod fresh;
mod keys;
mod landing;
mod leave;
mod table;

use std::task::Waker;

pub(super) use self::{
    flight::{Ending, Flight, New, Stage, Waiting},
    fresh::TurnWait,
    landing::Driver,
    leave::Leaving,
    table::{Counter, Table},
};
use super::slots::FIRST;

impl Stage {
    /// Returns whether a flight may go from this stage to that one. It begins in the first, or where its task starts at once, in
    /// the second.
    fn leads_to(self, to: Self) -> bool {
        match (self, to) {
            // Solo => Shared: somebody joins, or the work is to go on without its leader, or it waits for its turn and its task
            // keeps the time. From now on its task polls the work.
            (Self::Solo, Self::Shared) => true,
            // Shared => Shared: one more joins, or the last one leaves work that is to be finished.
            (Self::Shared, Self::Shared) => true,
            // Shared => Solo: its task died, and its leader drives the work on.
            (Self::Shared, Self::Solo) => true,
            // Shared => Landed: the work has ended, and the leader has still to take its part. A leader that lands its flight
            // alone takes it out at once.
            (Self::Shared, Self::Landed) => true,
            // Solo, Shared => Dropping: the last caller has left, its grace is over, or its task died and there is no leader.
            (Self::Solo | Self::Shared, Self::Dropping) => true,
            // Dropping, Landed: what comes next is to be taken out.
            _ => false,
        }
    }
}

impl<K, T, S> Flight<K, T, S> {
    /// Changes the stage.
    #[inline(always)]
    fn enter(&mut self, stage: Stage) {
        debug_assert!(self.stage.leads_to(stage), "a flight goes from {:?} to {stage:?}", self.stage);
        self.stage = stage;
    }
}

impl<K, T, S> Table<K, T, S> {
    /// Takes a flight off the index, if that lists it and not a successor (invariant 4). The caller takes the key out of the
    /// flight, and counts one less.
    #[inline(always)]
    fn unindex(&mut self, slot: usize) {
        if slot != FIRST {
            if let Ok(entry) = self.index.find_entry(self.flights[slot].hash, |&listed| listed == slot) {
                entry.remove();
            }
        }
    }

    /// Solo, Shared, Dropping, Landed => gone: takes out a flight that has no key. It is to be dropped once the lock is released.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    fn take_out(&mut self, slot: usize) -> Flight<K, T, S> {
        debug_assert!(self.flights[slot].key.is_none(), "a flight is unlisted before it is taken out");
        let flight = self.flights.remove(slot);
        self.shrink();
        flight
    }

    /// Solo => gone: takes out a flight that ends alone, and its key. Its leader has the work, and nothing else is left to be
    /// dropped but what is returned.
    #[inline(always)]
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    fn take_alone(&mut self, slot: usize) -> (Option<K>, Option<Waker>) {
        let flight = &mut self.flights[slot];
        let (key, waker) = (flight.key.take(), flight.leader_waker.take());
        debug_assert!(flight.is_hollow(), "what is left in a flight would be leaked");
        self.joinable.sub(key.is_some());
        self.unindex(slot);
        self.flights.forget(slot);
        // The first slot has no memory of its own to give back.
        if slot != FIRST {
            self.shrink();
        }
        (key, waker)
    }
}

#[cfg(test)]
mod tests {
    use super::Stage;

    #[test]
    fn a_flight_whose_work_has_ended_goes_nowhere_else() {
        let all = [Stage::Solo, Stage::Shared, Stage::Dropping, Stage::Landed];
        let ways = all.map(|from| all.map(|to| from.leads_to(to)));
        assert_eq!(ways[0], [false, true, true, false], "from solo");
        assert_eq!(ways[1], [true, true, true, true], "from shared");
        assert_eq!(ways[2..], [[false; 4]; 2], "from dropping and landed");
    }
}
