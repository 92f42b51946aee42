//! Which requests may not have what began before they came.

use super::SingleflightLayer;
use crate::FreshIf;

impl<F, K, T> SingleflightLayer<F, K, T> {
    /// Names requests that may not have the outcome of a run which began before they came: they share the next one, as
    /// [`Group::call_fresh`](crate::Group::call_fresh) does. For a caller that has just written, say.
    ///
    /// With a fleet, such a call is made in its own process. A [dry run](Self::dry_run) counts it like any other.
    ///
    /// # Panics
    ///
    /// A panic of the function is raised in its caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::{convert::Infallible, sync::atomic::{AtomicUsize, Ordering::Relaxed}};
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::SingleflightLayer;
    ///
    /// #[derive(Clone)]
    /// struct Query { id: u64, has_written: bool }
    ///
    /// static RUNS: AtomicUsize = AtomicUsize::new(0);
    /// let layer = SingleflightLayer::new(|query: &Query| Some(query.id)).fresh_if(|query: &Query| query.has_written);
    /// let mut service = layer.layer(service_fn(|_: Query| async {
    ///     let run = RUNS.fetch_add(1, Relaxed) + 1;
    ///     tokio::task::yield_now().await;
    ///     Ok::<_, Infallible>(run)
    /// }));
    /// let before = tokio::spawn(service.call(Query { id: 7, has_written: false }));
    /// tokio::task::yield_now().await; // the run has begun
    /// let calls = [false, true, true].map(|has_written| service.call(Query { id: 7, has_written }));
    /// let [ordinary, first, second] = calls;
    /// assert_eq!(tokio::join!(ordinary, first, second), (Ok(1), Ok(2), Ok(2)));
    /// # drop(before);
    /// # }
    /// ```
    #[must_use]
    pub fn fresh_if<Req, P>(self, fresh_if: P) -> SingleflightLayer<FreshIf<F, P>, K, T>
    where
        P: Fn(&Req) -> bool,
    {
        let Self { key_fn, group, limits, share_if, inspect, scope, observers, shadow, sample, fleet } = self;
        let key_fn = FreshIf::new(key_fn, fresh_if);
        SingleflightLayer { key_fn, group, limits, share_if, inspect, scope, observers, shadow, sample, fleet }
    }
}
