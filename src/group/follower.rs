//! A caller that joined another's flight: how it waits, gets its part of the outcome, and leaves.

use std::{
    mem::forget,
    panic::resume_unwind,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    lifecycle::Leaving,
    park::{NeedsWaker, WaiterRef},
    reentrancy::{self, Edge},
    shard::{Shard, ShardOutcome},
    shared_outcome::CallerPart,
};
use crate::{
    Reason,
    context::Scope,
    panic::{catch, discard},
    rare::Rare,
    timer::Timer,
    trace::WaitSpan,
};

/// A registered caller (invariant 2). Dropping it leaves the flight.
pub(super) struct Follower<K, T> {
    /// `None` once the caller has its part.
    outcome: Option<Arc<ShardOutcome<K, T>>>,
    /// The place among the flight's waiters, once the caller has parked.
    parked: Option<WaiterRef>,
    /// `Some` if the call was made, or is polled, by the work of another flight; held for its `Drop`.
    edge: Rare<Edge>,
    span: WaitSpan,
}

/// What few followers have: when they stop waiting, and how they go alone.
pub(super) struct FollowerExtras<K, T> {
    /// `Some` if the wait is limited.
    pub(super) wait: Option<Timer>,
    /// `Some` if the call was made by `spawn`: its own work runs to its end too.
    pub(super) spawned: Option<SpawnedAlone<K, T>>,
}

/// What it takes to start a caller's own work in a task.
pub(super) struct SpawnedAlone<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    /// The work runs in this scope, if there is one.
    pub(super) scope: Option<Scope>,
}

impl<K, T> Default for FollowerExtras<K, T> {
    fn default() -> Self {
        Self { wait: None, spawned: None }
    }
}

impl<K, T> Follower<K, T> {
    /// Stands for a caller that the flight has counted.
    #[inline]
    pub(super) fn new(outcome: Arc<ShardOutcome<K, T>>, edge: Option<Box<Edge>>) -> Self {
        Self { outcome: Some(outcome), parked: None, edge: edge.into(), span: WaitSpan::default() }
    }

    /// Returns what starts the caller's own work in a task, in this scope if there is one; `None` once the caller has its part.
    pub(super) fn spawned_in(&self, scope: Option<&Scope>) -> Option<SpawnedAlone<K, T>> {
        let outcome = self.outcome.as_ref()?;
        Some(SpawnedAlone { shard: Arc::clone(&outcome.shard), scope: scope.cloned() })
    }

    /// Sets the span of the wait.
    pub(super) fn wait_in(&mut self, span: WaitSpan) {
        self.span = span;
    }

    /// Waits for the end of the flight: one poll to park, one to get the outcome (invariant 9).
    ///
    /// # Panics
    ///
    /// Panics if the caller's waker does so when it is cloned or dropped. Then the caller has left its flight, and
    /// counts as one whose call has panicked.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallerPart<T, Shard<K, T>>> {
        let Some(outcome) = &self.outcome else { panic!("a call was polled after it had completed") };
        if !outcome.is_told() {
            if self.parked.is_none() && self.waits_for_itself() {
                self.release(Reason::Reentrant);
                return Poll::Ready(CallerPart::Alone(Reason::Reentrant, None));
            }
            let panicking = Panicking(self);
            let parks = panicking.0.park(cx);
            forget(panicking);
            if parks {
                return Poll::Pending;
            }
        }
        match self.outcome.take() {
            Some(outcome) => {
                let part = outcome.part();
                self.span.end(|| part.name());
                Poll::Ready(part)
            }
            None => unreachable!("it was there a moment ago"),
        }
    }

    /// Notes whose work polls the caller, where another task has made the call; returns whether its flight waits for that work.
    #[inline]
    fn waits_for_itself(&mut self) -> bool {
        match (reentrancy::current(), &self.outcome) {
            (Some(from), Some(outcome)) if self.edge.is_none() => {
                *self.edge = Edge::between(outcome.flight.id(outcome.shard.number), from);
                self.edge.is_none()
            }
            _ => false,
        }
    }

    /// Parks the caller until the flight ends; returns false if it has ended just now.
    fn park(&mut self, cx: &Context<'_>) -> bool {
        let Self { outcome: Some(outcome), parked, .. } = self else { return false };
        // As a rule it parks once, with a waker that is cloned before the lock is taken.
        let mut spare = parked.is_none().then(|| cx.waker().clone());
        loop {
            let mut locked = outcome.shard.lock();
            // This is asked first, since a lost flight may still be there, for its leader alone.
            let flight = if outcome.is_told() { None } else { locked.get(outcome.flight) };
            let Some(flight) = flight else {
                locked.unlock();
                return false;
            };
            let done = flight.park_follower(parked, spare.take(), cx);
            locked.unlock();
            match done {
                Ok(superfluous) => {
                    drop(superfluous);
                    return true;
                }
                Err(NeedsWaker) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Leaves the flight for work of its own. Its waker may panic as it is dropped, and that goes no further: the wait is over,
    /// and the work needs no such waker.
    pub(super) fn release(&mut self, reason: Reason) {
        self.span.end(|| reason.name());
        let _ = catch(|| self.leave(Leaving::GoesAlone)).map_err(discard);
    }

    fn leave(&mut self, leaving: Leaving) {
        if let Some(outcome) = self.outcome.take() {
            let left = catch(|| outcome.shard.lock().leave_as_follower(&outcome, self.parked, leaving).run());
            // This may be the last hold on the value, which the caller has not got.
            discard(outcome);
            if let Err(payload) = left {
                resume_unwind(payload);
            }
        }
    }
}

/// Leaves the flight for a follower whose poll unwinds. It is forgotten once the poll has returned.
struct Panicking<'a, K, T>(&'a mut Follower<K, T>);

impl<K, T> Drop for Panicking<'_, K, T> {
    #[cold]
    fn drop(&mut self) {
        // Another waker may panic as well, and two panics at once would end the process.
        let _ = catch(|| self.0.leave(Leaving::Panics)).map_err(discard);
    }
}

impl<K, T> Drop for Follower<K, T> {
    fn drop(&mut self) {
        self.leave(Leaving::Leaves);
        self.span.end(|| "left");
    }
}
