//! The release limit: how many of those who have waited make their own call at a time (D3, D10).

use std::{
    cell::RefCell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{sync::thread_local, timer::Timer};

thread_local! {
    /// For each call that the thread is polling and that holds a permit, the limit that it counts against.
    static COUNTED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Permits for callers that have waited in vain.
#[derive(Clone)]
pub(super) struct Releases(Arc<Semaphore>);

/// The wait for a permit.
pub(super) struct PermitWait {
    permit: Pin<Box<dyn Future<Output = Option<Permit>> + Send + Sync>>,
    /// Until when it waits; `None`: as long as it takes.
    timer: Option<Timer>,
}

/// Held by a caller that has waited in vain, while it makes its own call.
pub(super) struct Permit(OwnedSemaphorePermit);

impl Releases {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))))
    }

    /// Returns a wait for a permit, of at most this long.
    pub(super) fn permit_wait(&self, max_wait: Option<Duration>) -> PermitWait {
        let permits = Arc::clone(&self.0);
        let permit = Box::pin(async move { permits.acquire_owned().await.ok().map(Permit) });
        let deadline = max_wait.and_then(|wait| Instant::now().checked_add(wait));
        PermitWait { permit, timer: deadline.map(Timer::at) }
    }

    /// Returns whether the thread is polling a call that holds a permit. What is called from there counts with it: if
    /// it had to wait for a permit, it might wait for itself.
    pub(super) fn counts_already(&self) -> bool {
        COUNTED.with(|counted| counted.borrow().contains(&address(&self.0)))
    }
}

impl PermitWait {
    /// Waits for a permit; `None` once it has waited for long enough. Where there are no timers it does not wait, since
    /// nothing would tell when to stop.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Permit>> {
        if let Poll::Ready(permit) = self.permit.as_mut().poll(cx) {
            return Poll::Ready(permit);
        }
        match &mut self.timer {
            Some(timer) => timer.poll(cx).map(|_| None),
            None => Poll::Pending,
        }
    }
}

impl Permit {
    /// Enters the scope of one poll of the call.
    pub(super) fn enter(&self) -> PermitScope {
        COUNTED.with(|counted| counted.borrow_mut().push(address(self.0.semaphore())));
        PermitScope(())
    }
}

/// The scope of one poll of a call that holds a permit.
pub(super) struct PermitScope(());

impl Drop for PermitScope {
    fn drop(&mut self) {
        COUNTED.with(|counted| counted.borrow_mut().pop());
    }
}

fn address(permits: &Arc<Semaphore>) -> usize {
    Arc::as_ptr(permits).addr()
}
