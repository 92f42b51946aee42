//! Operations of the engine run in tasks of their own: a caller that leaves, or waits no longer, drops none of them
//! (F1).

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::sync::Spawner;

/// How many operations that somebody waits for run at a time; a caller that finds no room runs its work without the fleet.
/// Operations that end a flight always run, and there are no more of these than flights that have begun.
const MOST: usize = 1024;

/// The tasks in which the engine is asked.
pub(super) struct EngineTasks {
    room: Arc<Semaphore>,
    running: Arc<Running>,
}

#[derive(Default)]
struct Running {
    tasks: AtomicUsize,
    idle: Notify,
}

/// Counts one task, however it ends.
struct Counted(Arc<Running>);

impl EngineTasks {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(MOST)), running: Arc::default() }
    }

    /// Returns room for an operation that somebody waits for, if there is any.
    pub(super) fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// Starts an operation in a task; at its end the room is given back. `room`: `None` if nobody waits for it.
    pub(super) fn start(
        &self,
        spawner: Spawner,
        room: Option<OwnedSemaphorePermit>,
        operation: impl Future<Output = ()> + Send + 'static,
    ) {
        self.running.tasks.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(Arc::clone(&self.running));
        spawner.spawn("singleflight.fleet", async move {
            operation.await;
            drop((room, counted));
        });
    }

    /// Waits until no task runs.
    pub(super) async fn idle(&self) {
        loop {
            let mut idle = pin!(self.running.idle.notified());
            idle.as_mut().enable();
            if self.running.tasks.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.tasks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
