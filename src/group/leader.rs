//! The caller whose work a flight runs: how it drives or awaits the work, takes the outcome, and leaves.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    company::{Fate, Value},
    flight::{Ending, NeedsWaker, Own, Stage, park},
    loan::Loan,
    nesting::Edge,
    shard::{Lander, Shard},
    table::{At, Table},
    wake::Wakes,
};
use crate::{Reason, Role, sync::MutexGuard};

/// A registered caller (invariant 2). Dropping it leaves the flight.
pub(super) struct Leader<K, T> {
    shard: Arc<Shard<K, T>>,
    seat: Seat,
    /// `Some` if the call was made by the work of another flight; held for its `Drop`.
    _edge: Option<Box<Edge>>,
}

/// What a leader knows of itself; the rest is the flight's.
struct Seat {
    at: At,
    role: Role,
    /// The flight has had its waker.
    parked: bool,
    /// Still counted by the flight.
    aboard: bool,
}

impl<K, T> Leader<K, T> {
    /// Takes a seat that the flight has counted.
    #[inline]
    pub(super) fn new(shard: Arc<Shard<K, T>>, at: At, role: Role, edge: Option<Box<Edge>>) -> Self {
        Self { shard, seat: Seat { at, role, parked: false, aboard: true }, _edge: edge }
    }

    pub(super) fn role(&self) -> Role {
        self.seat.role
    }

    /// Waits for the landing; alone on its flight it polls the work itself.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fate<K, T>> {
        self.seat.poll(&self.shard, cx)
    }
}

impl Seat {
    fn poll<K, T>(&mut self, shard: &Shard<K, T>, cx: &mut Context<'_>) -> Poll<Fate<K, T>> {
        let mut spare = None;
        loop {
            let mut table = shard.lock();
            let Some(flight) = table.get(self.at) else {
                drop(table);
                panic!("a call was polled after it had panicked");
            };
            let drives = match flight.stage {
                Stage::Solo => !flight.is_blocked(),
                Stage::Shared => flight.awaits_leader(),
                _ => false,
            };
            match flight.stage {
                // Solo => (Solo | Shared | Landed | Lost); and a scope's first poll, which the flight's task leaves to the
                // leader: as if a follower had joined in mid-poll.
                _ if drives => {
                    let Some(loan) = Loan::take(shard, self.at, flight) else { return Poll::Pending };
                    drop(table);
                    match self.poll_work(shard, loan, cx) {
                        Poll::Ready(Some(fate)) => return Poll::Ready(fate),
                        Poll::Ready(None) => {}
                        Poll::Pending => return Poll::Pending,
                    }
                }
                // The same: the work is in another's hands, and the landing wakes this caller (invariants 7, 9).
                Stage::Solo | Stage::Shared | Stage::Dying => {
                    let parked = park(&mut flight.leader_waker, spare.take(), cx);
                    drop(table);
                    match parked {
                        Ok(superfluous) => {
                            self.parked = true;
                            drop(superfluous);
                            return Poll::Pending;
                        }
                        Err(NeedsWaker) => spare = Some(cx.waker().clone()),
                    }
                }
                Stage::Landed(_) | Stage::Lost => return Poll::Ready(self.end(table)),
            }
        }
    }

    /// Polls the work of a solo flight; a follower may join meanwhile. `Ready(None)`: the outcome is there to take.
    fn poll_work<K, T>(
        &mut self,
        shard: &Shard<K, T>,
        mut loan: Loan<'_, K, T>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Fate<K, T>>> {
        if let Poll::Ready(ending) = loan.poll(cx) {
            drop(loan);
            let Some(ending) = shard.land(self.at, ending, Lander::Leader) else { return Poll::Ready(None) };
            self.aboard = false;
            return Poll::Ready(Some(match ending {
                Ending::Value { work, .. } => Fate::Value(Value::Own(work)),
                Ending::Panic(payload) => Fate::Panic(payload),
            }));
        }
        // The leader's waker is kept by the flight too: should the flight become shared, the landing has to wake it.
        let mut spare = (!self.parked).then(|| cx.waker().clone());
        loop {
            let mut table = shard.lock();
            let flight = table.at(self.at.slot);
            if matches!(flight.stage, Stage::Lost) {
                let fate = self.end(table);
                return Poll::Ready(Some(loan.keep().map_or(fate, Fate::Back)));
            }
            match park(&mut flight.leader_waker, spare.take(), cx) {
                Ok(superfluous) => {
                    self.parked = true;
                    loan.give_back(flight);
                    // Shared: a follower joined in mid-poll, and its task waits for the work.
                    let task = flight.take_task();
                    drop(table);
                    drop(superfluous);
                    Wakes::task(task).wake();
                    return Poll::Pending;
                }
                Err(NeedsWaker) => {
                    drop(table);
                    spare = Some(cx.waker().clone());
                }
            }
        }
    }

    /// Landed, Lost => gone: takes what was frozen for the leader (invariant 11). Dropping happens unlocked.
    fn end<K, T>(&mut self, mut table: MutexGuard<'_, Table<K, T>>) -> Fate<K, T> {
        self.aboard = false;
        let gone = table.remove(self.at.slot);
        drop(table);
        match (gone.stage, gone.work, gone.company) {
            (Stage::Landed(Own::Value(work)), ..) => Fate::Value(Value::Own(work)),
            (Stage::Landed(Own::Panic(payload)), ..) => Fate::Panic(payload),
            (Stage::Landed(Own::Part), _, Some(company)) => company.fate(),
            (_, Some(work), _) => Fate::Back(work),
            (_, None, _) => Fate::Alone(Reason::Lost),
        }
    }
}

impl<K, T> Drop for Leader<K, T> {
    fn drop(&mut self) {
        let Seat { at, aboard, .. } = self.seat;
        if !aboard {
            return;
        }
        let mut table = self.shard.lock();
        // Gone, if user code panicked in the leader's landing: the slot may be another flight's (invariant 4).
        let Some(flight) = table.get(at) else { return };
        if !flight.is_running() {
            // Landed, Lost => gone
            let gone = table.remove(at.slot);
            drop(table);
            return drop(gone);
        }
        flight.callers -= 1;
        flight.leader = false;
        let waker = flight.leader_waker.take();
        // The task may be waiting for this leader's first poll (invariant 7).
        let task = if flight.scoped && !flight.polled { flight.take_task() } else { None };
        if flight.callers == 0 {
            // Solo, Shared => (Shared | Dying), in the same critical section (invariant 5).
            self.shard.unattended(table, at);
        } else {
            drop(table);
        }
        Wakes::task(task).wake();
        drop(waker);
    }
}
