//! When, and in which span, a flight's leader called.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::profile::Profile;
use crate::trace::LeaderSpan;

/// What those who watch want to know of a flight's beginning. Made only where somebody watches, or for a join window;
/// shared, so that it can be cloned under a lock (invariant 6).
pub(super) struct LeaderCall {
    pub(super) called: Instant,
    /// How many observers have been told that the flight began.
    pub(super) observers: usize,
    pub(super) span: LeaderSpan,
}

impl LeaderCall {
    /// `timed`: whether the time is wanted; a span that is current is kept in any case. `profile`: for the observers, if there
    /// are any, who want the time too.
    #[inline]
    pub(super) fn now(timed: bool, profile: Option<&Profile<'_>>) -> Option<Arc<Self>> {
        if timed || profile.is_some() || LeaderSpan::may_be() { Self::of_caller(timed, profile) } else { None }
    }

    #[cold]
    fn of_caller(timed: bool, profile: Option<&Profile<'_>>) -> Option<Arc<Self>> {
        let (span, observers) = (LeaderSpan::current(), profile.map_or(0, |profile| profile.observers));
        let wanted = timed || profile.is_some() || span.is_some();
        wanted.then(|| Arc::new(Self { called: Instant::now(), observers, span }))
    }

    pub(super) fn age(&self) -> Duration {
        self.called.elapsed()
    }
}
