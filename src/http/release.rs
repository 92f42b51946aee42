//! The release limit: how many released followers make their own call at a time (D3).

use std::{cell::RefCell, pin::Pin, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::sync::thread_local;

thread_local! {
    /// Of the calls that the thread is polling, the limits that they count against.
    static COUNTED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Permits for released followers.
#[derive(Clone)]
pub(super) struct Releases(Arc<Semaphore>);

/// A place in the line of released followers.
pub(super) type Turn = Pin<Box<dyn Future<Output = Option<Permit>> + Send + Sync>>;

/// Held by a released follower while it makes its call.
pub(super) struct Permit(OwnedSemaphorePermit);

impl Releases {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))))
    }

    /// Returns a place in the line.
    pub(super) fn turn(&self) -> Turn {
        let permits = Arc::clone(&self.0);
        Box::pin(async move { permits.acquire_owned().await.ok().map(Permit) })
    }

    /// Returns whether the thread is polling a call that holds a permit. What is called from there counts with it: if
    /// it had to wait for a permit, it might wait for itself.
    pub(super) fn counts_already(&self) -> bool {
        COUNTED.with(|counted| counted.borrow().contains(&address(&self.0)))
    }
}

impl Permit {
    /// Enters the scope of one poll of the call.
    pub(super) fn enter(&self) -> Polling {
        COUNTED.with(|counted| counted.borrow_mut().push(address(self.0.semaphore())));
        Polling(())
    }
}

/// The scope of one poll of a call that holds a permit.
pub(super) struct Polling(());

impl Drop for Polling {
    fn drop(&mut self) {
        COUNTED.with(|counted| counted.borrow_mut().pop());
    }
}

fn address(permits: &Arc<Semaphore>) -> usize {
    Arc::as_ptr(permits).addr()
}
