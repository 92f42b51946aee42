//! The work of a flight, lent to whoever polls it for one poll.

use std::task::{Context, Poll};

use super::{
    flight::{Ending, Flight, Stage},
    nesting::Polling,
    panic::{catch, discard},
    shard::Shard,
    table::At,
    wake::Wakes,
    work::BoxedWork,
};

/// Gives the work back when it is dropped, so that no unwinding between taking and returning loses it (invariant 8).
pub(super) struct Loan<'a, K, T> {
    shard: &'a Shard<K, T>,
    at: At,
    /// `None` once the work has ended or been given back.
    work: Option<BoxedWork<T>>,
}

impl<'a, K, T> Loan<'a, K, T> {
    /// Takes the work for one poll; `None` if somebody else has it.
    pub(super) fn take(shard: &'a Shard<K, T>, at: At, flight: &mut Flight<K, T>) -> Option<Self> {
        let work = flight.work.take()?;
        flight.polled = true;
        Some(Self { shard, at, work: Some(work) })
    }

    /// Tells work that the flight's task makes its first poll.
    pub(super) fn moved(&mut self) {
        if let Some(work) = &mut self.work {
            work.as_mut().moved();
        }
    }

    /// Polls the work. At its end all but the value is dropped before anyone is told: two runs of one key never overlap
    /// (invariant 5).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending<T>> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let _polling = Polling::enter(self.at.id(self.shard.number));
        let share = match catch(|| work.as_mut().poll_end(cx).map(|()| work.may_share())) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(share)) => Ok(share),
            Err(payload) => Err(payload),
        };
        Poll::Ready(match (self.work.take(), share) {
            (Some(work), Ok(share)) => Ending::Value { work, share },
            // Of several panics the first is the ending. None may get past here: nobody else would end the flight.
            (work, Err(payload)) => {
                discard(work);
                Ending::Panic(payload)
            }
            (None, Ok(_)) => unreachable!("it was polled a moment ago"),
        })
    }

    /// Gives the work back under the lock.
    pub(super) fn give_back(mut self, flight: &mut Flight<K, T>) {
        flight.work = self.work.take();
    }

    /// Keeps the work: the flight is over, and it is the poller's own, or the poller's to drop.
    pub(super) fn keep(mut self) -> Option<BoxedWork<T>> {
        self.work.take()
    }
}

impl<K, T> Drop for Loan<'_, K, T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let mut table = self.shard.lock();
        let Some(flight) = table.get(self.at) else { return };
        if matches!(flight.stage, Stage::Dying) {
            drop(table);
            return self.shard.drop_work(self.at, work);
        }
        flight.work = Some(work);
        let task = flight.take_task();
        drop(table);
        Wakes::task(task).wake();
    }
}
