//! The caller whose work a flight runs: how it drives or awaits the work, takes the outcome, and leaves.

use std::{
    mem::forget,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    flight_ref::FlightRef,
    lifecycle::{Driver, Ending, Stage},
    park::{NeedsWaker, park},
    poll_guard::PollGuard,
    reentrancy::{self, Edge},
    shard::{Launch, Locked, Shard},
    shared_outcome::{CallerPart, PartValue},
    work::BoxedWork,
};
use crate::{FlightId, Reason, Role, observe::Watch, rare::Rare};

/// A registered caller (invariant 2). Dropping it leaves the flight.
pub(super) struct Leader<K, T> {
    shard: Arc<Shard<K, T>>,
    /// What starts a task for work that goes on when the leader leaves it.
    launch: Launch<K, T>,
    registration: Registration,
}

/// What a leader knows of itself; the rest is the flight's.
struct Registration {
    flight: FlightRef,
    role: Role,
    /// The flight has been given this caller's waker.
    parked: bool,
    /// The flight still counts this caller.
    registered: bool,
    /// `Some` if the call was made, or is polled, by the work of another flight; held for its `Drop`, until the flight has
    /// ended.
    edge: Rare<Edge>,
}

impl<K, T> Leader<K, T> {
    /// Stands for a caller that the flight has counted.
    #[inline]
    pub(super) fn new(
        shard: Arc<Shard<K, T>>,
        flight: FlightRef,
        launch: Launch<K, T>,
        role: Role,
        edge: Option<Box<Edge>>,
    ) -> Self {
        Self {
            shard,
            launch,
            registration: Registration { flight, role, parked: false, registered: true, edge: edge.into() },
        }
    }

    pub(super) fn role(&self) -> Role {
        self.registration.role
    }

    /// Waits for the landing; alone on its flight it polls the work itself.
    #[inline]
    pub(super) fn poll<'w>(
        &mut self,
        cx: &mut Context<'_>,
        watch: impl FnOnce() -> Option<&'w mut Watch>,
    ) -> Poll<CallerPart<T, Shard<K, T>>> {
        self.registration.poll(&self.shard, cx, watch)
    }
}

impl Registration {
    /// Inlined, so that no registers are saved and restored: 25 instructions less.
    #[inline(always)]
    fn poll<'w, K, T>(
        &mut self,
        shard: &Shard<K, T>,
        cx: &mut Context<'_>,
        watch: impl FnOnce() -> Option<&'w mut Watch>,
    ) -> Poll<CallerPart<T, Shard<K, T>>> {
        if let Some(from) = reentrancy::current() {
            self.note_who_polls(shard, from);
        }
        loop {
            let mut locked = shard.lock();
            let Some(work) = self.take_work(&mut locked) else {
                match self.wait(locked, cx) {
                    Some(part) => return part,
                    None => continue,
                }
            };
            locked.unlock();
            // Polls the work of a solo flight; a follower may join meanwhile.
            let mut work = PollGuard::new(shard, self.flight, work);
            let Poll::Ready(ending) = work.poll(cx) else {
                self.keep_waker(shard, work, cx);
                return Poll::Pending;
            };
            // The guard has nothing to give back any more. Forgetting it saves the call that would find that out.
            forget(work);
            let ending = match shard.lock().land_alone(self.flight) {
                Ok(gone) => {
                    drop(gone);
                    ending
                }
                Err(locked) => match locked.land_watched(self.flight) {
                    Ok(gone) => {
                        gone.run(shard, self.flight, &ending, watch());
                        ending
                    }
                    Err(locked) => match locked.land(self.flight, ending, Driver::Leader).run() {
                        Some(ending) => ending,
                        // Shared => Landed: the outcome is there, and the leader takes it as it waits.
                        None => continue,
                    },
                },
            };
            self.end();
            return Poll::Ready(own_part(ending));
        }
    }

    /// Notes at the first poll whose work waits for the flight, where another task has made the call. A fresh call that waits
    /// behind that very work waits no longer, and starts beside it.
    #[cold]
    fn note_who_polls<K, T>(&mut self, shard: &Shard<K, T>, from: FlightId) {
        if !self.registered || self.parked || self.edge.is_some() {
            return;
        }
        let between = || Edge::between(self.flight.id(shard.number), from);
        let edge = between().or_else(|| {
            shard.lock().overtake(self.flight).run_for_others();
            between()
        });
        *self.edge = edge;
    }

    /// The flight has ended: there is nothing to leave, and nothing to wait for.
    #[inline]
    fn end(&mut self) {
        self.registered = false;
        *self.edge = None;
    }

    /// Takes the work, if it is the leader's to poll.
    #[inline]
    fn take_work<K, T>(&self, locked: &mut Locked<'_, K, T>) -> Option<BoxedWork<T>> {
        locked.get(self.flight).filter(|flight| flight.is_led())?.take_work()
    }

    /// Waits for the landing while somebody else has the work; returns `None` once the work is the leader's to poll.
    #[inline(never)]
    fn wait<K, T>(
        &mut self,
        mut locked: Locked<'_, K, T>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<CallerPart<T, Shard<K, T>>>> {
        let (shard, mut spare) = (locked.shard, None);
        loop {
            let Some(flight) = locked.get(self.flight) else {
                locked.unlock();
                if self.registered {
                    panic!("a call was polled after it had panicked");
                }
                panic!("a call was polled after it had completed");
            };
            match flight.stage() {
                // Solo, Shared, Dropping => the same: the caller parks, and the landing wakes it (invariants 7, 9).
                Stage::Solo | Stage::Shared | Stage::Dropping => {
                    let parked = park(&mut flight.leader_waker, spare.take(), cx);
                    locked.unlock();
                    match parked {
                        Ok(superfluous) => {
                            self.parked = true;
                            drop(superfluous);
                            return Some(Poll::Pending);
                        }
                        Err(NeedsWaker) => spare = Some(cx.waker().clone()),
                    }
                }
                // Landed => gone: the caller takes its part.
                Stage::Landed => {
                    let gone = locked.take_landed(self.flight);
                    self.end();
                    return Some(Poll::Ready(match gone.waiting.map(|waiting| (waiting.own, waiting.outcome)) {
                        Some((Some(ending), _)) => own_part(ending),
                        Some((None, Some(outcome))) => outcome.part(),
                        _ => CallerPart::Alone(Reason::Lost, None),
                    }));
                }
            }
            // While the shard was unlocked, the work may have come back.
            locked = shard.lock();
            if locked.get(self.flight).is_some_and(|flight| flight.is_led() && flight.work.is_some()) {
                locked.unlock();
                return None;
            }
        }
    }

    /// Gives the work back after a poll that did not end it, and leaves the leader's waker with the flight.
    #[inline(never)]
    fn keep_waker<K, T>(&mut self, shard: &Shard<K, T>, work: PollGuard<'_, K, T>, cx: &Context<'_>) {
        // The leader's waker is kept by the flight too: should the flight become shared, the landing has to wake it.
        let mut spare = (!self.parked).then(|| cx.waker().clone());
        loop {
            let mut locked = shard.lock();
            let flight = locked.at(self.flight.slot);
            match park(&mut flight.leader_waker, spare.take(), cx) {
                Ok(superfluous) => {
                    self.parked = true;
                    work.give_back(flight);
                    // Shared: a follower joined during the poll, and the flight's task waits for the work.
                    let task = flight.take_task();
                    locked.unlock();
                    // The task is woken before the waker is dropped, which may panic (invariant 8).
                    if let Some(task) = task {
                        task.wake();
                    }
                    drop(superfluous);
                    return;
                }
                Err(NeedsWaker) => {
                    locked.unlock();
                    spare = Some(cx.waker().clone());
                }
            }
        }
    }
}

/// Returns the leader's part of an ending that is for the leader alone.
fn own_part<T, S>(ending: Ending<T>) -> CallerPart<T, S> {
    match ending {
        Ending::Value { work, .. } => CallerPart::Value(PartValue::Own(work)),
        Ending::Panic(payload) => CallerPart::Panic(payload),
    }
}

impl<K, T> Leader<K, T> {
    /// Leaves the flight. It is a function of its own, so that dropping a leader whose flight has ended saves no
    /// registers for it.
    #[cold]
    fn leave(&mut self) {
        let (launching, mut rest) = self.shard.lock().leave_as_leader(self.registration.flight);
        if let Some(spawner) = launching {
            // Told before the task is started, which may end the flight at once.
            if let Some(moved) = rest.report.take() {
                moved.tell();
            }
            (self.launch)(spawner, Arc::clone(&self.shard), self.registration.flight);
        }
        rest.run();
    }
}

impl<K, T> Drop for Leader<K, T> {
    #[inline]
    fn drop(&mut self) {
        if self.registration.registered {
            self.leave();
        }
    }
}
