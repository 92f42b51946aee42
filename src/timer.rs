//! One sleep that survives a runtime without timers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    panic::{catch, discard},
    sync::Spawner,
};

/// How far away a deadline is that an [`Instant`] does not reach: thirty years, as tokio has it.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Fires at its deadline. The timer of the runtime is taken at the first poll.
pub(crate) struct Timer {
    deadline: Instant,
    /// `Some` from the first poll on.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The thread that polled a timer has no runtime, or one whose timers are off.
#[derive(Debug, PartialEq)]
pub(crate) struct NoTimers;

impl Timer {
    pub(crate) fn at(deadline: Instant) -> Self {
        Self { deadline, sleep: None }
    }

    /// Returns a timer that fires after a time from now; if an [`Instant`] does not go that far, after a very long time.
    pub(crate) fn after(time: Duration) -> Self {
        let now = Instant::now();
        Self::at(now.checked_add(time).unwrap_or_else(|| now + FAR))
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sets the deadline anew, with the runtime's timer that it has taken.
    #[cfg(feature = "http")]
    pub(crate) fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(deadline);
        }
    }

    /// Waits for the deadline. tokio panics where there are no timers, or not any more, and there is no way to ask
    /// before. A timer whose runtime is gone goes on with the timers of the runtime that polls it now.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoTimers>> {
        if self.sleep.is_none() && Spawner::current().is_none() {
            return Poll::Ready(Err(NoTimers));
        }
        let (deadline, had_one) = (self.deadline, self.sleep.is_some());
        let poll = || self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(cx);
        match catch(poll) {
            Ok(elapsed) => elapsed.map(Ok),
            Err(payload) => {
                discard(payload);
                discard(self.sleep.take());
                if had_one { self.poll(cx) } else { Poll::Ready(Err(NoTimers)) }
            }
        }
    }
}

/// The runtime drops its waker, which may panic. Nobody waits by that waker any more, so the panic fails nobody.
impl Drop for Timer {
    fn drop(&mut self) {
        discard(self.sleep.take());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_timer_says_where_there_are_none_instead_of_panicking() {
        let mut timer = Timer::after(Duration::ZERO);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert_eq!(timer.poll(&mut cx), Poll::Ready(Err(NoTimers)), "there is no runtime");
        let without = Builder::new_current_thread().build().unwrap();
        assert_eq!(without.block_on(poll_fn(|cx| timer.poll(cx))), Err(NoTimers));
        let with = Builder::new_current_thread().enable_time().build().unwrap();
        let mut timer = Timer::after(Duration::from_millis(1));
        assert_eq!(with.block_on(poll_fn(|cx| timer.poll(cx))), Ok(()));
    }

    #[test]
    fn a_timer_whose_runtime_is_gone_fires_in_another() {
        let runtime = || Builder::new_current_thread().enable_time().build().unwrap();
        let mut timer = Timer::after(Duration::from_millis(20));
        let first = runtime();
        first.block_on(async { assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending()) });
        drop(first);
        assert_eq!(runtime().block_on(poll_fn(|cx| timer.poll(cx))), Ok(()));
    }
}
