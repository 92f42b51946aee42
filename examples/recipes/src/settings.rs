//! A configuration that is loaded anew when it changes: one load at a time, however many changes are announced.
//!
//! A change announced while a load is under way may be newer than what that load has read, so it takes another load. A
//! hundred that are announced meanwhile share that one.

use std::{fmt, sync::Arc};

use tokio::sync::watch;
use tower_singleflight::{Group, SharedError};

/// A configuration, and where it comes from.
pub struct Settings<T, L> {
    loads: Group<(), Result<Arc<T>, SharedError>>,
    /// Only loads write it, and one runs at a time: so what is newer never gives way to what is older.
    in_force: watch::Sender<Arc<T>>,
    load: L,
}

impl<T, L, Fut> Settings<T, L>
where
    T: Send + Sync + 'static,
    L: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, SharedError>> + Send + 'static,
{
    /// Loads the configuration for the first time.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded.
    pub async fn open(load: L) -> Result<Self, SharedError> {
        let first = Arc::new(load().await?);
        Ok(Self { loads: Group::new(), in_force: watch::Sender::new(first), load })
    }

    /// Returns what is in force, at once.
    pub fn in_force(&self) -> Arc<T> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Returns what is in force, and whatever comes after it.
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.in_force.subscribe()
    }

    /// Loads it anew in the background: for callers that hear of a change.
    pub fn changed(&self) {
        drop(self.loads.spawn_fresh((), self.work()));
    }

    /// Returns the configuration as it is now or later: for a caller that knows of a change, and needs it.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded; then the one before stays in force.
    pub async fn fresh(&self) -> Result<Arc<T>, SharedError> {
        self.loads.call_fresh((), self.work()).await.into_value()
    }

    fn work(&self) -> impl FnOnce() -> Load<T> + Send + use<T, L, Fut> {
        let (load, in_force) = (self.load.clone(), self.in_force.clone());
        move || {
            Box::pin(async move {
                let loaded = Arc::new(load().await?);
                in_force.send_replace(Arc::clone(&loaded));
                Ok(loaded)
            })
        }
    }
}

/// A load under way.
type Load<T> = std::pin::Pin<Box<dyn Future<Output = Result<Arc<T>, SharedError>> + Send>>;

impl<T, L> fmt::Debug for Settings<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("loads", &self.loads).finish_non_exhaustive()
    }
}
