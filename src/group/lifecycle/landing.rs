//! How a flight lands: its work has ended.

use std::task::Waker;

use super::{
    flight::{Ending, Flight, Stage},
    fresh::release_next,
};
use crate::group::{
    after_unlock::{AfterUnlock, ClosedWork, WatchedLanding},
    flight_ref::FlightRef,
    report::EventReport,
    shard::{Locked, ShardFlight},
    shared_outcome::Told,
    wake_list::WakeList,
};
use crate::{Stats, panic::Text};

/// Who polled the work when it ended.
#[derive(Clone, Copy)]
pub(in crate::group) enum Driver {
    Leader,
    Task,
}

impl<'a, K, T> Locked<'a, K, T> {
    /// Solo => gone: nobody joined and nothing waits, so the leader lands it, and the key is freed (invariants 3, 4).
    /// It spares such a call all that [`land`](Self::land) has to ask. For any other flight it returns the lock.
    #[inline(always)]
    pub(in crate::group) fn land_alone(mut self, at: FlightRef) -> Result<(Option<K>, Option<Waker>), Self> {
        let flight = self.table.at(at.slot);
        if !flight.is_alone() || flight.leader_call.is_some() {
            return Err(self);
        }
        Ok(self.table.take_alone(at.slot))
    }

    /// Solo => gone: the same for a flight that somebody watches.
    #[inline]
    pub(in crate::group) fn land_watched(mut self, at: FlightRef) -> Result<WatchedLanding<K>, Self> {
        let flight = self.table.at(at.slot);
        let leader_call = if flight.is_alone() { flight.leader_call.take() } else { None };
        let Some(leader_call) = leader_call else { return Err(self) };
        Ok(WatchedLanding { leader_call, rest: self.table.take_alone(at.slot) })
    }

    /// Solo, Shared => (Landed | gone): frees the key, publishes the outcome, wakes those who wait, in this order
    /// (invariant 3). Whoever lands the flight is running already and needs no wake-up; the other of the two (leader,
    /// task) is woken with the followers, so that it can finish.
    pub(in crate::group) fn land(mut self, at: FlightRef, ending: Ending<T>, driver: Driver) -> AfterUnlock<'a, K, T> {
        let table = &mut *self.table;
        let mut after = AfterUnlock::nothing();
        if !table.at(at.slot).is_running() {
            // Dropping => gone: all left during the last poll.
            after.closed = Some(ClosedWork::new(self.shard, at, ending));
            return after;
        }
        after.report = EventReport::on_landing(self.shard, table.at(at.slot), &ending);
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
            after.gone = Some(table.take_out(at.slot));
            after.own = Some(ending);
            return after;
        }
        after.unwanted = publish(flight, ending, stats);
        if !flight.leader {
            after.gone = Some(table.take_out(at.slot));
        }
        after
    }

    /// Landed => gone: the leader takes its part.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    pub(in crate::group) fn take_landed(mut self, at: FlightRef) -> ShardFlight<K, T> {
        self.table.take_out(at.slot)
    }
}

/// Publishes how the work ended to every caller still on the flight, once and for all (invariant 11). Returns what
/// nobody will receive.
fn publish<K, T, S>(flight: &mut Flight<K, T, S>, ending: Ending<T>, stats: &mut Stats) -> Option<Ending<T>> {
    let (told, own, unwanted) = flight.divide(ending);
    flight.tell(told, stats);
    if flight.leader {
        flight.enter(Stage::Landed);
        flight.waiting_mut().own = own;
        return unwanted;
    }
    unwanted.or(own)
}

impl<K, T, S> Flight<K, T, S> {
    /// Divides an ending into what all are told, what the leader alone gets, and what nobody gets.
    fn divide(&self, ending: Ending<T>) -> (Told<T>, Option<Ending<T>>, Option<Ending<T>>) {
        match ending {
            Ending::Value { mut work, share: true } if self.followers() > 0 => {
                let value = work.as_mut().take_value();
                (Told::Shared { value, callers: self.callers }, None, Some(Ending::Value { work, share: true }))
            }
            Ending::Value { work, share } => {
                let note = if self.followers() > 0 { work.note() } else { None };
                (Told::NotShareable(note), Some(Ending::Value { work, share }), None)
            }
            Ending::Panic(payload) => (Told::Panicked(Text::of(&payload)), Some(Ending::Panic(payload)), None),
        }
    }
}
