//! How a caller, or a flight's task, parks: its waker is cloned outside the lock (invariant 6).

use std::{
    num::NonZeroUsize,
    task::{Context, Waker},
};

/// A follower's place among the waiters, counted from 1, so that an `Option` of it takes no more room.
#[derive(Clone, Copy)]
pub(super) struct WaiterRef(NonZeroUsize);

impl WaiterRef {
    pub(super) fn new(index: usize) -> Self {
        Self(NonZeroUsize::MIN.saturating_add(index))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() - 1
    }
}

/// Parks the leader or the flight's task: `spare` is a clone of its waker, made outside the lock. Returns the waker
/// that became superfluous, or an error if a spare is needed.
pub(super) fn park(
    place: &mut Option<Waker>,
    spare: Option<Waker>,
    cx: &Context<'_>,
) -> Result<Option<Waker>, NeedsWaker> {
    match (place, spare) {
        (Some(parked), spare) if parked.will_wake(cx.waker()) => Ok(spare),
        (place, Some(spare)) => Ok(place.replace(spare)),
        (_, None) => Err(NeedsWaker),
    }
}

/// The caller has to clone its waker, outside the lock, and come again.
pub(super) struct NeedsWaker;
