//! How a flight comes to wait behind the one that runs, for fresh callers, and how its wait ends (invariants 1, 5, 13).

use std::time::Duration;

use tokio::time::Instant;

use super::{
    flight::{Ending, Flight, New, Stage},
    table::Table,
};
use crate::group::{
    after_unlock::{AfterUnlock, WaitsBehind},
    flight_ref::FlightRef,
    reentrancy::Edge,
    report::EventReport,
    shard::{Locked, Shard, ShardFlight},
    shared_outcome::Told,
    turn::Turn,
};
use crate::{End, observe::LeaderCall};

/// How a flight is to wait behind the one that runs.
pub(in crate::group) struct TurnWait {
    pub(in crate::group) running: usize,
    pub(in crate::group) max_wait: Option<Duration>,
    /// The task of the flight that waits starts at once.
    pub(in crate::group) has_task: bool,
    /// The task of the flight that runs, which has none yet, starts at once.
    pub(in crate::group) moves: bool,
}

impl<'a, K, T> Locked<'a, K, T> {
    /// none => (Solo | Shared): the flight waits behind one that runs, which the index lists (invariant 1), for at most
    /// `max_wait`. It has been counted, and has no key until its turn comes.
    ///
    /// Solo => Shared, of the one that runs, if it `moves`: its task polls the work from now on (invariant 7).
    #[cold]
    pub(in crate::group) fn wait_behind(
        mut self,
        wait: TurnWait,
        new: New<T>,
        leader_call: Option<&LeaderCall>,
        key: K,
    ) -> WaitsBehind<'a, K> {
        let TurnWait { running, max_wait, has_task, moves } = wait;
        let overtakes = max_wait.and_then(|max_wait| Instant::now().checked_add(max_wait));
        let (from, number) = (new.from, self.shard.number);
        let table = &mut *self.table;
        table.stats.led += 1;
        let flight = table.insert(|serial| Flight::new(new, serial, None));
        table.at(flight.slot).leader_call = leader_call.cloned();
        let ahead = FlightRef { slot: running, serial: table.at(running).serial };
        let runs = table.at(running);
        runs.waiting_mut().successor = Some(flight.slot);
        let moved = if moves { EventReport::on_move(self.shard, runs) } else { None };
        if moves {
            runs.enter(Stage::Shared);
        }
        if has_task {
            table.at(flight.slot).enter(Stage::Shared);
        }
        let waiting = table.at(flight.slot).waiting_mut();
        waiting.blocked_by = Some(running);
        let _edge = Edge::to_new(ahead.id(number), flight.id(number));
        waiting.turn = Some(Box::new(Turn { overtakes, _edge }));
        let edge = from.map(|from| Edge::to_new(flight.id(number), from));
        WaitsBehind { flight, edge, key, ahead, moved }
    }

    /// Solo, Shared => the same: the flight has waited for its turn for too long, or waits for itself. It takes the key and
    /// starts beside the one that runs, which goes on for its callers (invariant 5).
    pub(in crate::group) fn overtake(mut self, at: FlightRef) -> AfterUnlock<'a, K, T> {
        let waits = |flight: &&mut ShardFlight<K, T>| flight.turn().is_some();
        let running = self.table.get(at).filter(waits).and_then(|flight| flight.waiting.as_ref()?.blocked_by);
        match running {
            Some(running) => self.set_aside(running),
            None => AfterUnlock::nothing(),
        }
    }

    /// Solo, Shared => the same: later callers start anew; what waits behind the flight starts now.
    pub(in crate::group) fn set_aside(mut self, running: usize) -> AfterUnlock<'a, K, T> {
        let mut after = AfterUnlock::nothing();
        (after.key, after.wakes.successor) = self.table.set_aside(running);
        after
    }
}

/// Solo, Shared => the same, of the flight that waits: the one that runs ends with a value for its leader alone, and
/// the next run's value would be for its leader alone, too. So the followers of the flight that waits go alone now,
/// with the note of the work that has ended. Its work starts at once, unlisted. The leader or the task, whichever would
/// have driven it in its turn, drives it now: a second driver would not know of the first. A flight that is to run to
/// its end, or has no leader, is left to take its turn.
#[must_use = "wakers wait to be woken, and user code to be dropped"]
pub(super) fn release_next<'a, K, T>(
    shard: &'a Shard<K, T>,
    table: &mut Table<K, T, Shard<K, T>>,
    running: usize,
    ending: &Ending<T>,
) -> Option<Box<AfterUnlock<'a, K, T>>> {
    let next = table.at(running).next()?;
    let Ending::Value { work, share: false } = ending else { return None };
    let flight = table.at(next);
    if flight.finish || !flight.leader || !work.speaks_for_next() {
        return None;
    }
    let mut after = AfterUnlock::nothing();
    after.report = EventReport::on_end(shard, flight, End::NotShareable);
    let note = if flight.followers() > 0 { work.note() } else { None };
    table.uncount(next);
    table.count_end(next, End::NotShareable);
    let (flight, stats) = table.at_counted(next);
    flight.tell(Told::NotShareable(note), stats);
    flight.callers = 1;
    after.wakes = flight.take_wakers();
    if flight.stage == Stage::Shared {
        // The flight's task drives the work. The leader parks as before, and the landing wakes it.
        flight.leader_waker = after.wakes.leader.take();
    }
    after.waiting = flight.waiting.take();
    Some(Box::new(after))
}
