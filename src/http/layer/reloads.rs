//! Requests that may not have what began before they came: reloads.

use std::{sync::Arc, time::Duration};

use http::request;

use super::HttpSingleflightLayer;

impl<C> HttpSingleflightLayer<C> {
    /// Sets how long a request that reloads waits for the run under way; 1 s by default, and at most the `max_wait` of the
    /// group. Then the next run begins beside it, for all who wait: one more run for each such time, however many reload.
    ///
    /// Zero sends a request that reloads alone where a run is under way. A browser that reloads a page which it has sends
    /// the page's validators along, and goes alone by S12 unless [`key_validators`](Self::key_validators) compares them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// // Pages take 50 ms. What takes a fifth of a second hangs.
    /// let layer = HttpSingleflightLayer::new().fresh_wait(Duration::from_millis(200));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn fresh_wait(self, wait: Duration) -> Self {
        self.with(|config| config.reloads.fresh_wait = wait)
    }

    /// Lets requests that reload join no flight: a herd of them costs one call each. By default those that
    /// come while a run is under way share the next one, which is one call more and at most two runs' wait (S13).
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().reload_alone(); // whoever reloads would rather not wait for another's run
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn reload_alone(self) -> Self {
        self.with(|config| config.reloads.alone = true)
    }

    /// Names more requests that may not have what began before they came, beside those that reload: they share the next
    /// run. For a client that reads what it has just written elsewhere, say.
    ///
    /// # Panics
    ///
    /// A panic of the function is raised in its caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().fresh_if(|parts| parts.uri.path().starts_with("/balance/"));
    /// let parts = |path| Request::get(path).body(()).unwrap().into_parts().0;
    /// let joins = |path| layer.explain(&parts(path), &parts(path)).would_share();
    /// assert!(joins("/report/7"));
    /// assert!(!joins("/balance/7")); // it waits for the next run
    /// ```
    #[must_use]
    pub fn fresh_if<F>(self, fresh_if: F) -> Self
    where
        F: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.reloads.fresh_if = Some(Arc::new(fresh_if)))
    }
}
