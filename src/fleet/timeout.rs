//! Waiting for so long at most (F7).

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    sync::IS_TIMELESS,
    timer::{NoTimers, Timer},
};

/// Waits for a future, for this long at most; where there are no timers, for one poll.
pub(super) async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    by(time, future).await.unwrap_or_default()
}

/// Does the same, but says where there are no timers: callers that try again would do so at once, and without end.
pub(super) async fn by<F: Future>(time: Duration, future: F) -> Result<Option<F::Output>, NoTimers> {
    let mut timer = Timer::after(time);
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(Some(output))),
        Poll::Pending => poll_timer(&mut timer, cx).map_ok(|()| None),
    })
    .await
}

/// Waits for so long.
pub(super) async fn wait_for(time: Duration) -> Result<(), NoTimers> {
    by(time, pending::<()>()).await.map(|_| ())
}

/// Waits for a timer; where there are none, for nothing.
pub(super) fn poll_timer(timer: &mut Timer, cx: &mut Context<'_>) -> Poll<Result<(), NoTimers>> {
    if IS_TIMELESS { Poll::Pending } else { timer.poll(cx) }
}
