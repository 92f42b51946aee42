//! What is asked of the engine runs in tasks of its own: a caller that leaves, or is tired of waiting, drops no command
//! (F1).

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{
    sync::{IS_TIMELESS, Spawner},
    timer::{NoTimers, Timer},
};

/// How many errands that somebody waits for run at a time; whoever finds no room runs its work without the fleet. Errands that
/// end a flight always run, and there are no more of these than flights that have begun.
const MOST: usize = 1024;

/// The tasks in which the engine is asked.
pub(super) struct Errands {
    room: Arc<Semaphore>,
    under_way: Arc<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    errands: AtomicUsize,
    rest: Notify,
}

/// Counts one errand, however it ends.
struct Errand(Arc<UnderWay>);

impl Errands {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(MOST)), under_way: Arc::default() }
    }

    /// Returns room for an errand that somebody waits for, if there is any.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Starts an errand; it gives the room back at its end.
    pub(super) fn start(
        &self,
        spawner: Spawner,
        room: Option<OwnedSemaphorePermit>,
        errand: impl Future<Output = ()> + Send + 'static,
    ) {
        self.under_way.errands.fetch_add(1, Ordering::AcqRel);
        let counted = Errand(Arc::clone(&self.under_way));
        spawner.spawn(async move {
            errand.await;
            drop((room, counted));
        });
    }

    /// Waits until no errand is under way.
    pub(super) async fn rest(&self) {
        loop {
            let mut rest = pin!(self.under_way.rest.notified());
            rest.as_mut().enable();
            if self.under_way.errands.load(Ordering::Acquire) == 0 {
                return;
            }
            rest.await;
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if self.0.errands.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.rest.notify_waiters();
        }
    }
}

/// Waits for a future, for this long at most (F7); where there are no timers, for one poll.
pub(super) async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    by(time, future).await.unwrap_or_default()
}

/// Likewise, for those who would try again at once where there are no timers, and so without end.
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
