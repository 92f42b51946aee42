//! The timer of a reader that waits for a slower one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep_until},
};

/// Every reader that waits for room has its own, so that none depends on another's being polled.
///
/// Without a runtime, or on one that has no timers, it never elapses.
#[derive(Default)]
pub(in crate::http) struct Stall {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The runtime has no timers.
    off: bool,
}

impl Stall {
    /// Returns whether the deadline has passed; if not, the task will be woken, perhaps too soon.
    pub(in crate::http) fn has_elapsed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        while !self.off && (self.sleep.is_some() || Handle::try_current().is_ok()) {
            // tokio panics where there are no timers, or not any more, and there is no way to ask.
            match catch_unwind(AssertUnwindSafe(|| self.poll(deadline, cx))) {
                Ok(elapsed) => return elapsed,
                // A timer that was made has lost its runtime: perhaps there is another one.
                Err(_) => self.off = self.sleep.take().is_none(),
            }
        }
        false
    }

    /// A deadline that is past already needs no timer, but a runtime that could have one.
    ///
    /// An earlier deadline is left to pass before the timer is set anew: a reader waits often, and seldom long.
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if Instant::now() >= deadline {
            return true;
        }
        while let Poll::Ready(()) = sleep.as_mut().poll(cx) {
            if sleep.deadline() >= deadline {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
        false
    }
}
