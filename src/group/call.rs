//! A call, as a future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::{caller::Caller, work::Work};
use crate::{Outcome, Role};

/// A call under way: resolves to the [`Outcome`] of the flight that it is on.
///
/// The caller is registered since [`Group::call`](super::Group::call) returned, polled or not.
///
/// # Cancel safety
///
/// Dropping a `Call` leaves the flight, in O(1). Leader or follower makes no difference: the flight goes on for the
/// others. When the last caller leaves, the work is dropped at once, by the one who leaves or, if a poll of it is under
/// way on another thread, right after that poll; unless [`Limits::on_abandon`](crate::Limits::on_abandon) or
/// [`Group::spawn`](super::Group::spawn) says otherwise.
///
/// # Panics
///
/// A panic of the work is raised again in every caller. The leader gets the original payload; the others a copy of it
/// if it is a `&str` or a `String`, else a fixed text.
#[must_use = "a call waits only when it is awaited, and leaves its flight when it is dropped"]
pub struct Call<K, T, W> {
    caller: Caller<K, T, W>,
}

impl<K, T, W> Call<K, T, W> {
    #[inline]
    pub(super) fn new(caller: Caller<K, T, W>) -> Self {
        Self { caller }
    }

    /// Returns whether the flight runs this caller's work: the bool that Go's `DoChan` once returned.
    pub fn is_leader(&self) -> bool {
        self.caller.role() == Role::Leader
    }
}

impl<K, T, W> Call<K, T, W>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    #[inline]
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        self.caller.poll_outcome(cx)
    }
}

impl<K, T, F, Fut> Future for Call<K, T, F>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    type Output = Outcome<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        self.poll_outcome(cx)
    }
}

/// Nothing in a call is pinned in place.
impl<K, T, W> Unpin for Call<K, T, W> {}

impl<K, T, W> fmt::Debug for Call<K, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("role", &self.caller.role()).finish_non_exhaustive()
    }
}
