//! Which flights wait for which: so that work which asks for its own key runs alone instead of waiting for itself.
//!
//! A flight's work is polled with its flight as the thread's current one. A call made meanwhile is an edge, "this
//! flight was called from that one", which stands as long as the call. A call that would close a circle of edges is
//! re-entrant. A call that another task has made, such as the worker of a `Buffer`, is the work's own too if the work is
//! the first to poll it. Only calls that work makes or polls come here; all others see an empty thread-local and go on.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use crate::{observe::FlightId, sync::thread_local};

thread_local! {
    static CURRENT: Cell<Option<FlightId>> = const { Cell::new(None) };
}

/// Callee to callers, each with the number of its calls.
type Edges = HashMap<FlightId, HashMap<FlightId, usize>>;

/// A leaf lock: nothing else is locked and no user code runs while it is held, so it may be taken under a shard's lock,
/// which makes looking for a circle and adding to it one step.
static CALLED_FROM: Mutex<Option<Edges>> = Mutex::new(None);

/// Returns the flight whose work the thread is polling.
#[inline]
pub(super) fn current() -> Option<FlightId> {
    CURRENT.with(Cell::get)
}

/// The flight whose work the thread polls, for the length of that poll.
pub(super) struct CurrentFlight {
    outer: Option<FlightId>,
}

impl CurrentFlight {
    #[inline]
    pub(super) fn enter(flight: FlightId) -> Self {
        Self { outer: CURRENT.with(|current| current.replace(Some(flight))) }
    }
}

impl Drop for CurrentFlight {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.outer));
    }
}

/// A call under way from one flight's work to another flight.
pub(super) struct Edge {
    callee: FlightId,
    caller: FlightId,
}

impl Edge {
    /// Records the call, or returns `None` if the callee waits for the caller already.
    pub(super) fn between(callee: FlightId, caller: FlightId) -> Option<Box<Self>> {
        let mut edges = CALLED_FROM.lock().unwrap_or_else(PoisonError::into_inner);
        let edges = edges.get_or_insert_default();
        let mut above = vec![caller];
        let mut seen = HashSet::from([caller]);
        while let Some(flight) = above.pop() {
            if flight == callee {
                return None;
            }
            let callers = edges.get(&flight).into_iter().flat_map(HashMap::keys);
            above.extend(callers.filter(|caller| seen.insert(**caller)));
        }
        Some(Self::record(edges, callee, caller))
    }

    /// Records the call of a flight that is new: it waits for nobody yet, so there is no circle to look for.
    pub(super) fn to_new(callee: FlightId, caller: FlightId) -> Box<Self> {
        let mut edges = CALLED_FROM.lock().unwrap_or_else(PoisonError::into_inner);
        Self::record(edges.get_or_insert_default(), callee, caller)
    }

    fn record(edges: &mut Edges, callee: FlightId, caller: FlightId) -> Box<Self> {
        *edges.entry(callee).or_default().entry(caller).or_default() += 1;
        Box::new(Self { callee, caller })
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let mut edges = CALLED_FROM.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(map) = edges.as_mut() else { return };
        if let Some(callers) = map.get_mut(&self.callee) {
            if let Some(calls) = callers.get_mut(&self.caller) {
                *calls -= 1;
                if *calls == 0 {
                    callers.remove(&self.caller);
                }
            }
            if callers.is_empty() {
                map.remove(&self.callee);
            }
        }
        // Invariant 12: nothing under way, nothing held.
        if map.is_empty() {
            *edges = None;
        }
    }
}
