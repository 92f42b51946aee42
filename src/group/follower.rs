//! A caller aboard another's flight: how it waits, gets its part of the end, and leaves.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    company::{Company, Fate},
    nesting::Edge,
};

/// A registered caller (invariant 2). Dropping it leaves the flight.
pub(super) struct Follower<K, T> {
    /// `None` once the caller has its part.
    company: Option<Arc<Company<K, T>>>,
    /// The place among the flight's waiters, once the caller has parked.
    parked: Option<usize>,
    /// `Some` if the call was made by the work of another flight; held for its `Drop`.
    _edge: Option<Box<Edge>>,
}

impl<K, T> Follower<K, T> {
    /// Takes a seat that the flight has counted.
    pub(super) fn new(company: Arc<Company<K, T>>, edge: Option<Box<Edge>>) -> Self {
        Self { company: Some(company), parked: None, _edge: edge }
    }

    /// Waits for the end of the flight: one poll to park, one to get it (invariant 9).
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fate<K, T>> {
        let Some(company) = &self.company else { panic!("a call was polled after it had completed") };
        if !company.has_ended() && company.park(&mut self.parked, cx) {
            return Poll::Pending;
        }
        match self.company.take() {
            Some(company) => Poll::Ready(company.fate()),
            None => unreachable!("it was there a moment ago"),
        }
    }
}

impl<K, T> Drop for Follower<K, T> {
    fn drop(&mut self) {
        let Some(company) = self.company.take_if(|company| !company.has_ended()) else { return };
        let mut table = company.shard.lock();
        let Some(flight) = company.flight(&mut table) else { return };
        flight.callers -= 1;
        let waker = self.parked.and_then(|parked| flight.rare_mut().waiters.try_remove(parked));
        if flight.callers == 0 && flight.is_running() {
            // Shared => (Shared | Dying), in the same critical section (invariant 5).
            company.shard.unattended(table, company.at);
        } else {
            drop(table);
        }
        drop(waker);
    }
}
