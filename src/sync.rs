//! The seam to the platform: two locks, one thread-local, one way to spawn.
//!
//! In the package `tests/shuttle` the same sources run under shuttle's scheduler, which chooses every interleaving. That
//! package alone has the feature `shuttle`. Nothing else in the crate knows of it.

#[cfg(any(feature = "fleet", feature = "http", feature = "shuttle"))]
use std::sync::PoisonError;

#[cfg(not(feature = "shuttle"))]
mod platform {
    #[cfg(any(feature = "fleet", feature = "http"))]
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::thread_local;

    /// The lock of a shard, which a panic does not poison. The lock of the standard library asks whether the thread
    /// panics each time that it is locked or unlocked; that took 44 of a solo call's instructions.
    pub(crate) use parking_lot::{Mutex as ShardMutex, MutexGuard as ShardMutexGuard};

    /// Locks a shard.
    #[inline]
    pub(crate) fn lock_shard<T>(mutex: &ShardMutex<T>) -> ShardMutexGuard<'_, T> {
        mutex.lock()
    }

    /// Whether there is no time: then every wait lasts until what it waits for comes.
    #[cfg(feature = "fleet")]
    pub(crate) const IS_TIMELESS: bool = false;

    /// The runtime that a flight's task will live on.
    #[derive(Clone)]
    pub(crate) struct Spawner(tokio::runtime::Handle);

    impl Spawner {
        /// Returns the runtime of the calling thread, if it has one.
        pub(crate) fn current() -> Option<Self> {
            tokio::runtime::Handle::try_current().ok().map(Self)
        }

        /// Starts a task; when its runtime shuts down, the task is dropped, perhaps before this returns. Tools such as
        /// tokio-console show its name, where tokio has names.
        #[cfg_attr(not(all(tokio_unstable, feature = "tracing")), allow(unused_variables))]
        pub(crate) fn spawn(self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
            #[cfg(not(all(tokio_unstable, feature = "tracing")))]
            drop(self.0.spawn(task));
            #[cfg(all(tokio_unstable, feature = "tracing"))]
            drop(tokio::task::Builder::new().name(name).spawn_on(task, &self.0));
        }
    }
}

#[cfg(feature = "shuttle")]
mod platform {
    pub(crate) use shuttle::sync::{Mutex, Mutex as ShardMutex, MutexGuard, MutexGuard as ShardMutexGuard};
    pub(crate) use shuttle::thread_local;

    pub(crate) use super::lock as lock_shard;

    use std::{cell::Cell, task::Poll};

    use shuttle::rand::Rng;

    #[cfg(feature = "fleet")]
    pub(crate) const IS_TIMELESS: bool = true;

    #[derive(Clone)]
    pub(crate) struct Spawner;

    impl Spawner {
        pub(crate) fn current() -> Option<Self> {
            Some(Self)
        }

        pub(crate) fn spawn(self, _: &'static str, task: impl Future<Output = ()> + Send + 'static) {
            drop(shuttle::future::spawn(async move {
                let mut task = std::pin::pin!(task);
                // Dropped by the end of its runtime, wherever it is.
                let dies = || MORTAL.get() && shuttle::rand::thread_rng().r#gen::<u8>() < 64;
                std::future::poll_fn(|cx| if dies() { Poll::Ready(()) } else { task.as_mut().poll(cx) }).await;
            }));
        }
    }

    std::thread_local! {
        static MORTAL: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets every fourth poll of a task be the end of its runtime, in all models of this thread from now on.
    #[doc(hidden)]
    pub fn let_tasks_die() {
        MORTAL.set(true);
    }
}

#[cfg(feature = "shuttle")]
pub use platform::let_tasks_die;

#[cfg(feature = "fleet")]
pub(crate) use platform::IS_TIMELESS;
#[cfg(any(feature = "fleet", feature = "http", feature = "shuttle"))]
pub(crate) use platform::{Mutex, MutexGuard};
pub(crate) use platform::{ShardMutex, ShardMutexGuard, Spawner, lock_shard, thread_local};

/// Locks, whatever a panicking `Eq` of a key left behind: a look-up changes nothing, so there is nothing to mend.
#[cfg(any(feature = "fleet", feature = "http", feature = "shuttle"))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
