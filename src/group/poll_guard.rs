//! The work of a flight, taken out for one poll.

use std::task::{Context, Poll};

use super::{
    flight_ref::FlightRef,
    lifecycle::Ending,
    reentrancy::CurrentFlight,
    shard::{Shard, ShardFlight},
    work::BoxedWork,
};
use crate::panic::{catch, discard};

/// Gives the work back when it is dropped, so that no unwinding between taking and returning loses it (invariant 8).
pub(super) struct PollGuard<'a, K, T> {
    shard: &'a Shard<K, T>,
    flight: FlightRef,
    /// `None` once the work has ended or been given back.
    work: Option<BoxedWork<T>>,
}

impl<'a, K, T> PollGuard<'a, K, T> {
    /// Guards work that was taken for one poll.
    #[inline]
    pub(super) fn new(shard: &'a Shard<K, T>, flight: FlightRef, work: BoxedWork<T>) -> Self {
        Self { shard, flight, work: Some(work) }
    }

    /// Tells work that the flight's task makes its first poll.
    pub(super) fn moved(&mut self) {
        if let Some(work) = &mut self.work {
            work.as_mut().moved();
        }
    }

    /// Polls the work. At its end all but the value is dropped before anyone is told: two runs of one key never overlap
    /// (invariant 5).
    #[inline(always)]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending<T>> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let current = CurrentFlight::enter(self.flight.id(self.shard.number));
        let share = catch(|| work.as_mut().poll_to_share(cx));
        if let Ok(Poll::Pending) = share {
            return Poll::Pending;
        }
        let ending = match (self.work.take(), share) {
            (Some(work), Ok(Poll::Ready(share))) => Ending::Value { work, share },
            // Of several panics the first one is the ending. None may get past this point, since nobody else would end
            // the flight.
            (work, Err(payload)) => {
                discard(work);
                Ending::Panic(payload)
            }
            _ => unreachable!("it was polled a moment ago"),
        };
        drop(current);
        Poll::Ready(ending)
    }

    /// Gives the work back under the lock.
    pub(super) fn give_back(mut self, flight: &mut ShardFlight<K, T>) {
        flight.work = self.work.take();
        flight.note_elsewhere();
    }
}

impl<K, T> Drop for PollGuard<'_, K, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.shard.lock().return_work(self.flight, work).run_for_others();
        }
    }
}
