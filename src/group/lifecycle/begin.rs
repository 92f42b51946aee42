//! How a flight begins, and how callers join it.

use std::sync::Arc;

use super::flight::{Flight, New, Stage};
use crate::group::{
    after_unlock::{Followed, Led},
    flight_ref::FlightRef,
    reentrancy::Edge,
    shard::{Locked, Shard, ShardOutcome},
    shared_outcome::SharedOutcome,
};
use crate::observe::LeaderCall;

impl<K, T> Locked<'_, K, T> {
    /// none => (Solo | Shared): with a key, the flight is listed in the place of `old` (invariant 1); without one it is the work of
    /// a caller that goes alone.
    ///
    /// `register` notes it with the caller, before the lock is released (invariant 2), and runs no user code (invariant 6): a
    /// caller that is moved right after it was written waits until that has been stored, and the release waits for it anyway.
    #[inline(always)]
    pub(in crate::group) fn lead(
        mut self,
        new: New<T>,
        leader_call: Option<&LeaderCall>,
        key: Option<K>,
        old: Option<usize>,
        register: impl FnOnce(FlightRef, Option<Box<Edge>>),
    ) -> Led<K> {
        let (from, number) = (new.from, self.shard.number);
        let table = &mut *self.table;
        let is_alone = key.is_none();
        table.stats.led += u64::from(!is_alone);
        // Behind a tombstone, the new work starts when the old work's drop is done (invariant 5).
        let tombstone = old.filter(|old| !table.at(*old).is_running());
        let old_key = old.and_then(|old| table.unlist(old));
        let flight = table.insert(|serial| Flight::new(new, serial, key));
        if is_alone {
            table.at(flight.slot).over = true;
        }
        // Set afterwards, so that nothing is moved where nobody watches.
        if let Some(leader_call) = leader_call {
            table.at(flight.slot).leader_call = Some(leader_call.clone());
        }
        if let Some(old) = tombstone {
            table.at(flight.slot).waiting_mut().blocked_by = Some(old);
            table.at(old).waiting_mut().successor = Some(flight.slot);
        }
        register(flight, from.map(|from| Edge::to_new(flight.id(number), from)));
        Led { flight, old_key }
    }

    /// Solo, Shared => Shared: one more follower. `register` notes it with the caller, before the lock is released, as in `lead`.
    #[inline]
    pub(in crate::group) fn follow(
        mut self,
        at: FlightRef,
        shard: &Arc<Shard<K, T>>,
        finish: bool,
        register: impl FnOnce(Arc<ShardOutcome<K, T>>),
    ) -> Followed {
        let unserved = &self.shard.unserved;
        let (flight, stats) = self.table.at_counted(at.slot);
        stats.followed += 1;
        flight.callers += 1;
        flight.finish |= finish;
        let moves = flight.stage == Stage::Solo;
        flight.enter(Stage::Shared);
        let waiting = flight.waiting_mut();
        waiting.grace = None;
        let outcome =
            waiting.outcome.get_or_insert_with(|| Arc::new(SharedOutcome::new(at, Arc::clone(shard), unserved)));
        register(Arc::clone(outcome));
        Followed { moves }
    }
}
