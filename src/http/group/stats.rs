//! What the group has done, in numbers.

use super::HttpGroup;
use crate::{Stats, http::counts::Counts};

impl HttpGroup {
    /// Returns what the group has done since it was made, and what is under way.
    ///
    /// A request is counted once, however often its caller tried (D3, D9). What a rule sends alone is counted too. The
    /// flights are counted one after the other, so the numbers are exact at rest and a snapshot otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use http::{Request, Response};
    /// # use std::convert::Infallible;
    /// # use tower::{Layer, Service, service_fn};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// # let backend = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    /// let mut service = HttpSingleflightLayer::new().layer(backend);
    /// let request = |method| Request::builder().method(method).uri("/report").body(String::new()).unwrap();
    /// let calls = (service.call(request("GET")), service.call(request("GET")), service.call(request("DELETE")));
    /// let stats = service.group().stats();
    /// assert_eq!((stats.led, stats.followed, stats.alone), (1, 1, 1));
    /// # drop(calls);
    /// # }
    /// ```
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for node in self.nodes() {
            stats += node.flights.stats();
        }
        stats.observers_off = self.observers().off();
        self.inner.counts.correct(stats)
    }

    pub(in crate::http) fn counts(&self) -> &Counts {
        &self.inner.counts
    }
}
