//! Who is told what becomes of the calls.

use super::SingleflightLayer;
use crate::{Observer, Role, observe::Observed};

impl<F, K, T> SingleflightLayer<F, K, T> {
    /// Sets a callback that is told the role and the number of callers, once for each call that ends with an outcome:
    /// for counters and logs.
    ///
    /// A panic in it fails no caller. A callback that has panicked is told nothing any more;
    /// [`Stats::observers_off`](crate::Stats::observers_off) counts it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::{convert::Infallible, sync::atomic::{AtomicUsize, Ordering::Relaxed}};
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{Role, SingleflightLayer};
    ///
    /// static SAVED: AtomicUsize = AtomicUsize::new(0);
    /// let layer = SingleflightLayer::new(|id: &u64| Some(*id)).inspect(|role, _callers| {
    ///     SAVED.fetch_add(usize::from(role == Role::Follower), Relaxed);
    /// });
    /// let mut service = layer.layer(service_fn(|id: u64| async move { Ok::<_, Infallible>(id) }));
    /// tokio::join!(service.call(7), service.call(7), service.call(7)).0.unwrap();
    /// assert_eq!(SAVED.load(Relaxed), 2);
    /// # }
    /// ```
    #[must_use]
    pub fn inspect<I>(mut self, inspect: I) -> Self
    where
        I: Fn(Role, usize) + Send + Sync + 'static,
    {
        self.inspect = Some(Observed::new(inspect));
        self
    }

    /// Adds an observer of the groups that this layer makes, and of the one that it was given: for metrics and logs.
    ///
    /// Make such a layer once, and clone it: one that is made anew for each connection adds an observer each time to
    /// the group that it is given, and all of them are told of each call.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{Event, Observer, SingleflightLayer};
    ///
    /// struct Log;
    ///
    /// impl Observer for Log {
    ///     fn on(&self, event: &Event<'_>) {
    ///         if let Event::Ended { flight, how, took } = event {
    ///             eprintln!("flight {flight} was {} after {} ms", how.name(), took.as_millis());
    ///         }
    ///     }
    /// }
    ///
    /// let layer = SingleflightLayer::new(|id: &u64| Some(*id)).observe(Log);
    /// let mut service = layer.layer(service_fn(|id: u64| async move { Ok::<_, Infallible>(id) }));
    /// assert_eq!(service.call(7).await, Ok(7));
    /// # }
    /// ```
    #[must_use]
    pub fn observe(mut self, observer: impl Observer) -> Self {
        self.observers.push(Observed::new(observer));
        self
    }
}
