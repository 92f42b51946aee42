//! A layer that only tries what it would do.

use super::HttpSingleflightLayer;
use crate::http::{
    dry_run::{DryRun, Report},
    shadow::Watcher,
};

impl<C> HttpSingleflightLayer<C> {
    /// Lets the layer only try what it would do, and report what it found: before it is switched on in front of
    /// anything that matters.
    ///
    /// Every request goes alone, once, as it would without the layer: none waits, none is marked, nothing of an answer
    /// is buffered or changed, and no flight is made; the service is ready when the wrapped one is. Beside that, the
    /// layer decides as ever who would have shared which answer, and compares the answers that these callers got
    /// instead, by digests, as they pass by.
    /// [`dry_run_report`](Self::dry_run_report) says what it would have saved, and by which inputs answers differ that
    /// it would have shared. [Before you switch it on](crate::guide::before_you_switch_it_on) says how to read it.
    ///
    /// # Panics
    ///
    /// A panic of one of the application's functions (`identity`, `key_fn` and the like) reaches no caller, since
    /// without the layer the function would not have been asked. The report counts such panics.
    ///
    /// # Trade-offs
    ///
    /// Where the content of requests is in the key, it is digested as the service reads it, and nothing of it is kept.
    /// A request joins its shadow flight when the service has read its content; one that is answered before that is not
    /// watched. [`content_if`](Self::content_if) is asked only of content that comes in one piece; the head of such a
    /// request is cloned for it.
    ///
    /// Requests that reload share the next flight, as the layer lets them (S13). But the leader of that flight calls at
    /// once, where in the layer it would wait for its turn, and so the flight lands sooner. Where requests that reload
    /// keep coming for longer than one call takes, the report may say that less is saved than the layer saves. The same
    /// holds in a storm of writes (S21), since there readers share the next flight, too.
    ///
    /// Services of the same layer value, one above the other, do not know of each other, since no request is marked
    /// (S2). A leader that leaves ends its shadow flight, where a real one would have gone on. What a write through the
    /// layer changes is fenced as ever (S21), in a group given by [`group`](Self::group) too.
    ///
    /// The shadow is this process's own, also in a layer that is in a fleet (feature `fleet`): the engine is asked nothing and
    /// told only of writes, and what flights of other processes would have saved beside that is not counted.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::{Request, Response};
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{HttpSingleflightLayer, http::DryRun};
    ///
    /// let pages = service_fn(|_: Request<String>| async {
    ///     tokio::task::yield_now().await;
    ///     Ok::<_, std::convert::Infallible>(Response::new(String::from("rows")))
    /// });
    /// let layer = HttpSingleflightLayer::new().dry_run(DryRun::new());
    /// let mut service = layer.layer(pages);
    /// let request = || Request::get("/report").body(String::new()).unwrap();
    /// tokio::join!(service.call(request()), service.call(request())).0.unwrap();
    /// assert_eq!(layer.dry_run_report().saved(), 1); // two calls were made, and one would have done
    /// # }
    /// ```
    #[must_use]
    pub fn dry_run(mut self, dry_run: DryRun) -> Self {
        self.watcher = Some(Watcher::new(dry_run));
        self
    }

    /// Returns what the dry run of this layer value and its clones has found so far; an empty report without one.
    pub fn dry_run_report(&self) -> Report {
        self.watcher.as_ref().map(Watcher::report).unwrap_or_default()
    }
}
