//! One caller aboard a flight: how it waits, takes the outcome, and leaves.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    flight::{Ending, Landed, NeedsWaker, Stage},
    loan::Loan,
    nesting::Edge,
    panic::{Payload, Text},
    shard::{Lander, Shard},
    table::{At, Table},
    wake::Wakes,
    work::BoxedWork,
};
use crate::{Outcome, Reason, Role, sync::MutexGuard};

/// A registered caller (invariant 2). Dropping it leaves the flight.
pub(super) struct Seat<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) caller: Caller,
    /// `Some` if the call was made by the work of another flight; held for its `Drop`.
    pub(super) _edge: Option<Box<Edge>>,
}

/// What a seat knows of itself; the rest is the flight's.
pub(super) struct Caller {
    pub(super) at: At,
    pub(super) role: Role,
    /// The flight runs this caller's work: the payload of a panic and an outcome that is not shareable are its own.
    pub(super) leads: bool,
    /// The place among the flight's waiters, once the caller has parked.
    pub(super) parked: Option<usize>,
    /// Still counted by the flight.
    pub(super) aboard: bool,
}

/// What a flight has come to, for one of its callers.
pub(super) enum Fate<T> {
    Outcome(Outcome<T>),
    /// To be raised again.
    Panic(Payload),
    /// The caller runs its own work.
    Alone(Reason),
    /// The leader gets its work back, the flight's task having died.
    Back(BoxedWork<T>),
}

impl<K, T: Clone> Seat<K, T> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fate<T>> {
        self.caller.poll(&self.shard, cx)
    }
}

impl Caller {
    /// Waits for the landing; a leader alone on its flight polls the work itself.
    fn poll<K, T: Clone>(&mut self, shard: &Shard<K, T>, cx: &mut Context<'_>) -> Poll<Fate<T>> {
        // A follower parks at its first poll, as a rule: its waker is cloned before the lock is taken.
        let mut spare = (!self.leads && self.parked.is_none()).then(|| cx.waker().clone());
        loop {
            let mut table = shard.lock();
            let Some(flight) = table.get(self.at) else {
                drop(table);
                panic!("a call was polled after it had panicked");
            };
            match flight.stage {
                // Solo => (Solo | Shared | Landed | Lost)
                Stage::Solo if flight.blocked_by.is_none() => {
                    let Some(loan) = Loan::take(shard, self.at, flight) else { return Poll::Pending };
                    drop(table);
                    match self.poll_work(shard, loan, cx) {
                        Poll::Ready(Some(fate)) => return Poll::Ready(fate),
                        Poll::Ready(None) => continue,
                        Poll::Pending => return Poll::Pending,
                    }
                }
                // The same: the work is in another's hands, and the landing wakes this caller (invariants 7, 9).
                Stage::Solo | Stage::Shared | Stage::Dying => {
                    if let Ok(superfluous) = flight.park(&mut self.parked, spare.take(), cx) {
                        drop(table);
                        drop(superfluous);
                        return Poll::Pending;
                    }
                }
                // Landed => (Landed | gone)
                Stage::Landed(_) => return Poll::Ready(self.take_outcome(table)),
                // Lost => (Lost | gone)
                Stage::Lost => return Poll::Ready(self.leave_lost(table)),
            }
            drop(table);
            spare = Some(cx.waker().clone());
        }
    }

    /// Polls the work of a solo flight; a follower may join meanwhile. `Ready(None)`: the outcome is there to take.
    fn poll_work<K, T: Clone>(
        &mut self,
        shard: &Shard<K, T>,
        mut loan: Loan<'_, K, T>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Fate<T>>> {
        if let Poll::Ready(ending) = loan.poll(cx) {
            drop(loan);
            let lander = Lander::Leader(self.parked.take());
            let Some(ending) = shard.land(self.at, ending, lander) else { return Poll::Ready(None) };
            self.aboard = false;
            return Poll::Ready(Some(match ending {
                Ending::Value { value, .. } => Fate::Outcome(Outcome { value, role: self.role, callers: 1 }),
                Ending::Panic(payload) => Fate::Panic(payload),
            }));
        }
        // The leader's waker is kept by the flight too: should the flight become shared, the landing has to wake it.
        let mut spare = self.parked.is_none().then(|| cx.waker().clone());
        loop {
            let mut table = shard.lock();
            let flight = table.at(self.at.slot);
            if matches!(flight.stage, Stage::Lost) {
                let fate = self.leave_lost(table);
                return Poll::Ready(Some(loan.keep().map_or(fate, Fate::Back)));
            }
            match flight.park(&mut self.parked, spare.take(), cx) {
                Ok(superfluous) => {
                    loan.give_back(flight);
                    // Shared: a follower joined in mid-poll, and its task waits for the work.
                    let task = flight.task.take();
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

    /// Takes the outcome that was frozen at the landing (invariant 11); cloning and dropping happen unlocked.
    fn take_outcome<K, T: Clone>(&mut self, mut table: MutexGuard<'_, Table<K, T>>) -> Fate<T> {
        enum Taken<T> {
            Shared(Arc<T>, usize),
            Kept(Box<T>),
            Payload(Payload),
            Text(Text),
            NotShareable,
        }
        let flight = table.at(self.at.slot);
        let taken = match &mut flight.stage {
            Stage::Landed(Landed::Shared { value, callers }) => Taken::Shared(Arc::clone(value), *callers),
            Stage::Landed(Landed::Kept(value)) => match value.take_if(|_| self.leads) {
                Some(value) => Taken::Kept(value),
                None => Taken::NotShareable,
            },
            Stage::Landed(Landed::Panicked(panicked)) => match panicked.payload.take_if(|_| self.leads) {
                Some(payload) => Taken::Payload(payload),
                None => Taken::Text(panicked.text.clone()),
            },
            Stage::Solo | Stage::Shared | Stage::Dying | Stage::Lost => Taken::NotShareable,
        };
        self.aboard = false;
        if flight.callers > 1 {
            // One of many has nothing to clear up.
            flight.disembark(self.leads);
            drop(table);
        } else {
            let departed = table.depart(self.at.slot, self.leads, None);
            drop(table);
            drop(departed);
        }
        let outcome = |value, callers| Fate::Outcome(Outcome { value, role: self.role, callers });
        match taken {
            // The last one to take it needs no clone.
            Taken::Shared(value, callers) => outcome(Arc::unwrap_or_clone(value), callers),
            Taken::Kept(value) => outcome(*value, 1),
            Taken::Payload(payload) => Fate::Panic(payload),
            Taken::Text(text) => Fate::Panic(text.into_payload()),
            Taken::NotShareable => Fate::Alone(Reason::NotShareable),
        }
    }

    /// Leaves a lost flight: the leader with its work, a follower to do its own.
    fn leave_lost<K, T>(&mut self, mut table: MutexGuard<'_, Table<K, T>>) -> Fate<T> {
        self.aboard = false;
        let departed = table.depart(self.at.slot, self.leads, None);
        drop(table);
        departed.work.map_or(Fate::Alone(Reason::Lost), Fate::Back)
    }
}

impl<K, T> Drop for Seat<K, T> {
    fn drop(&mut self) {
        let Caller { at, leads, parked, aboard, .. } = self.caller;
        if !aboard {
            return;
        }
        let mut table = self.shard.lock();
        // Gone, if user code panicked in the leader's landing: the slot may be another flight's (invariant 4).
        if table.get(at).is_none() {
            return;
        }
        let departed = table.depart(at.slot, leads, parked);
        if departed.last && table.get(at).is_some_and(|flight| flight.is_running()) {
            // Solo, Shared => (Shared | Dying), in the same critical section (invariant 5).
            self.shard.unattended(table, at);
        } else {
            drop(table);
        }
        drop(departed);
    }
}
