//! What one caller waits for, or runs.

use std::mem::{forget, replace};

use super::{
    follower::{Follower, FollowerExtras},
    leader::Leader,
    work::BoxedWork,
};
use crate::{Reason, Role, rare::Rare};

/// What a caller waits for, or runs.
///
/// The tag is as wide as a pointer, so that the state is moved in words. Beside a tag of one byte it is moved byte by byte, and
/// each read waits until the words that were written a moment before are stored: a follower took 3 % longer to join.
#[repr(usize)]
pub(super) enum CallerState<K, T, W> {
    /// It leads: its flight runs its work.
    Leads(Leader<K, T>),
    /// It follows another's flight.
    Follows(Follower<K, T>, Fallback<K, T, W>),
    /// No flight has taken it: it runs its own work, from the next poll on.
    Unstarted(W, Reason),
    /// It runs its own work.
    Alone(BoxedWork<T>, Reason),
    /// It has left, with this role; or it has not been registered yet.
    Done(Role),
}

impl<K, T, W> CallerState<K, T, W> {
    /// Registers a caller that has not been registered yet. There is nothing to drop, which the compiler does not see.
    #[inline]
    pub(super) fn set(&mut self, registered: Self) {
        debug_assert!(matches!(self, Self::Done(_)), "a caller is registered once");
        forget(replace(self, registered));
    }
}

/// What a follower goes alone with, kept until the flight has landed.
pub(super) struct Fallback<K, T, W> {
    pub(super) work: W,
    /// In a box of its own, since few followers have any of it, and many may wait.
    pub(super) extras: Rare<FollowerExtras<K, T>>,
}
