//! A caller that joined another's flight: how it waits, gets its part of the outcome, and leaves.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    park::{NeedsWaker, WaiterRef},
    reentrancy::Edge,
    shard::Shard,
    shared_outcome::{Part, SharedOutcome},
};
use crate::{Reason, context::Scope, rare::Rare, timer::Timer, trace::WaitSpan};

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
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Part<T>> {
        let Some(outcome) = &self.outcome else { panic!("a call was polled after it had completed") };
        if !outcome.is_told() && Self::park(&self.shard, outcome, &mut self.parked, cx) {
            return Poll::Pending;
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
    fn park(shard: &Shard<K, T>, outcome: &SharedOutcome<T>, parked: &mut Option<WaiterRef>, cx: &Context<'_>) -> bool {
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
        self.leave(true);
        self.outcome = None;
    }

    fn leave(&self, goes_alone: bool) {
        if let Some(outcome) = &self.outcome {
            self.shard.lock().leave_as_follower(outcome, self.parked, goes_alone).run();
        }
    }
}

impl<K, T> Drop for Follower<K, T> {
    fn drop(&mut self) {
        // Before the span ends: a subscriber may panic, and nobody would leave for this caller (invariant 8).
        self.leave(false);
        self.span.end(|| "left");
    }
}
