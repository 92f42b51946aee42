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
/// The caller has been registered since [`Group::call`](super::Group::call) returned, whether this future is polled or
/// not.
///
/// # Cancel safety
///
/// Dropping a `Call` leaves the flight, in O(1). The flight goes on for the others, even if it was the leader that
/// left. When the last caller leaves, it drops the work at once; if another thread is polling the work at that moment,
/// that thread drops it right after the poll. [`Limits::on_abandon`](crate::Limits::on_abandon) and
/// [`Group::spawn`](super::Group::spawn) let the work go on instead.
///
/// # Panics
///
/// A panic of the work is raised again in every caller. The leader gets the original payload; the others get a copy of
/// it if it is a `&str` or a `String`, else a fixed text. Polling a `Call` again after it has completed panics, too.
#[must_use = "a call waits only when it is awaited, and leaves its flight when it is dropped"]
pub struct Call<K, T, W> {
    caller: Caller<K, T, W>,
}

impl<K, T, W> Call<K, T, W> {
    #[inline]
    pub(super) fn new(caller: Caller<K, T, W>) -> Self {
        Self { caller }
    }

    /// Returns whether this caller leads: whether its flight runs the work that it brought.
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
