//! A caller that joined another's flight: how it waits, gets its part of the outcome, and leaves.

use std::{
    mem::forget,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    lifecycle::Leaving,
    park::{NeedsWaker, WaiterRef},
    reentrancy::Edge,
    shard::Shard,
    shared_outcome::{Part, SharedOutcome},
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
    shard: Arc<Shard<K, T>>,
    /// `None` once the caller has its part.
    outcome: Option<Arc<SharedOutcome<T>>>,
    /// The place among the flight's waiters, once the caller has parked.
    parked: Option<WaiterRef>,
    /// `Some` if the call was made by the work of another flight; held for its `Drop`.
    _edge: Rare<Edge>,
    span: WaitSpan,
}

/// What few followers have, for when they go alone.
#[derive(Default)]
pub(super) struct FollowerExtras {
    /// The limit of the wait.
    pub(super) wait: Option<Timer>,
    /// `Some` if the call was made by `spawn`: its own work runs to its end too, in this scope if there is one.
    pub(super) spawned: Option<Option<Scope>>,
}

impl<K, T> Follower<K, T> {
    /// Stands for a caller that the flight has counted.
    pub(super) fn new(shard: Arc<Shard<K, T>>, outcome: Arc<SharedOutcome<T>>, edge: Option<Box<Edge>>) -> Self {
        Self { shard, outcome: Some(outcome), parked: None, _edge: edge.into(), span: WaitSpan::default() }
    }

    pub(super) fn shard(&self) -> Arc<Shard<K, T>> {
        Arc::clone(&self.shard)
    }

    /// Sets the span of the wait.
    pub(super) fn wait_in(&mut self, span: WaitSpan) {
        self.span = span;
    }

    /// Waits for the end of the flight: one poll to park, one to get it (invariant 9).
    ///
    /// # Panics
    ///
    /// With its waker, as it is cloned or dropped. Then the caller has left, as one whose call has panicked.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Part<T>> {
        let Some(outcome) = &self.outcome else { panic!("a call was polled after it had completed") };
        if !outcome.is_told() {
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

    /// Parks the caller until the flight ends; returns false if it has ended just now.
    fn park(&mut self, cx: &Context<'_>) -> bool {
        let Self { shard, outcome: Some(outcome), parked, .. } = self else { return false };
        // As a rule it parks once, with a waker that is cloned before the lock is taken.
        let mut spare = parked.is_none().then(|| cx.waker().clone());
        loop {
            let mut locked = shard.lock();
            // Asked first: after a loss the flight may be there still, its leader's alone.
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

    /// Leaves the flight for work of its own.
    pub(super) fn release(&mut self, reason: Reason) {
        self.span.end(|| reason.name());
        self.leave(Leaving::GoesAlone);
    }

    fn leave(&mut self, leaving: Leaving) {
        if let Some(outcome) = self.outcome.take() {
            self.shard.lock().leave_as_follower(&outcome, self.parked, leaving).run();
        }
    }
}

/// Leaves for a follower whose poll unwinds. To be forgotten once it has returned.
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
