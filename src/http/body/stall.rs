//! The timer of a reader that waits for a slower one.

use std::task::{Context, Poll};

use tokio::{runtime::Handle, time::Instant};

use crate::timer::{NoTimers, Timer};

/// Every reader that waits for room has its own, so that none depends on whether another is polled.
///
/// Without a runtime, or on one that has no timers, it never elapses.
#[derive(Default)]
pub(super) struct Stall {
    timer: Option<Timer>,
    /// The runtime has no timers.
    off: bool,
}

impl Stall {
    /// Returns whether the deadline has passed; if not, the task will be woken, perhaps too soon.
    ///
    /// A timer for an earlier deadline fires before it is set anew: a reader waits often, and seldom long.
    pub(super) fn has_elapsed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        while !self.off && (self.timer.is_some() || Handle::try_current().is_ok()) {
            let is_new = self.timer.is_none();
            let timer = self.timer.get_or_insert_with(|| Timer::at(deadline));
            match timer.poll(cx) {
                Poll::Ready(Ok(())) if timer.deadline() < deadline => timer.reset(deadline),
                Poll::Ready(Ok(())) => return true,
                // The timer may have been set for a later deadline.
                Poll::Pending => return Instant::now() >= deadline,
                // A timer that has worked has lost its runtime: perhaps there is another one.
                Poll::Ready(Err(NoTimers)) => (self.timer, self.off) = (None, is_new),
            }
        }
        false
    }
}
