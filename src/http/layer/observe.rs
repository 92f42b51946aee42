//! Who is told what becomes of the requests.

use std::borrow::Cow;

use http::request;

use super::HttpSingleflightLayer;
#[cfg(all(feature = "fleet", feature = "status"))]
use crate::fleet::Fleet;
#[cfg(feature = "status")]
use crate::http::status::StatusPage;
use crate::{
    Role,
    http::{
        label::Labels,
        observe::{HttpObserved, HttpObserver},
    },
    observe::Observed,
};

impl<C> HttpSingleflightLayer<C> {
    /// Sets a callback that is told the role and the number of callers, once for each request that ends with an answer
    /// or an error: for counters and logs. [`Coalesced`](crate::http::Coalesced) in the extensions of the response says
    /// more.
    ///
    /// A panic in it fails no request. A callback that has panicked is told nothing any more;
    /// [`Stats::observers_off`](crate::Stats::observers_off) counts it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    /// # use tower_singleflight::{HttpSingleflightLayer, Role};
    /// static SAVED: AtomicUsize = AtomicUsize::new(0);
    /// let layer = HttpSingleflightLayer::new().inspect(|role, _callers| {
    ///     SAVED.fetch_add(usize::from(role == Role::Follower), Relaxed);
    /// });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn inspect<I>(self, inspect: I) -> Self
    where
        I: Fn(Role, usize) + Send + Sync + 'static,
    {
        self.with(|config| config.inspect = Some(Observed::new(inspect)))
    }

    /// Adds an observer of the layer's requests and flights: for metrics, logs and pages of your own. It is told of the
    /// group that was given by [`group`](Self::group), too.
    ///
    /// Make such a layer once, and clone it. A layer that is made anew for each connection adds one more observer each
    /// time to the group that it is given, and all of them are told of each request.
    ///
    /// # Examples
    ///
    /// See [`HttpObserver`].
    #[must_use]
    pub fn observe(self, observer: impl HttpObserver) -> Self {
        self.with(|config| config.observers.push(HttpObserved::new(observer)))
    }

    /// Returns the layer, observed by a new [`StatusPage`], and that page.
    ///
    /// The page shows the layer's group, its fleet if it is in one (feature `fleet`), and its dry run if it makes one
    /// (feature `dry-run`). Call this after [`group`](Self::group), [`limits`](Self::limits), `fleet` and `dry_run`,
    /// which change what there is to show. For a page about several layers see [`StatusPage`].
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let (layer, page) = HttpSingleflightLayer::new().status_page();
    /// let app: Router = Router::new()
    ///     .route("/report/{id}", get(|| async { "rows" }))
    ///     .layer(layer)
    ///     .nest_service("/singleflight", page); // below the admin's login
    /// # drop(app);
    /// ```
    #[cfg(feature = "status")]
    #[must_use]
    pub fn status_page(self) -> (Self, StatusPage) {
        let page = StatusPage::new();
        let layer = self.observe(page.clone());
        let group = layer.get_group().clone();
        let page = page.group("layer", move || group.stats());
        #[cfg(feature = "fleet")]
        let page = match layer.config.fleet.fleet() {
            Some(fleet) => page.fleet(&layer.config.fleet.called, Fleet::clone(fleet)),
            None => page,
        };
        #[cfg(feature = "dry-run")]
        let page = match layer.watcher.clone() {
            Some(watcher) => page.section("Dry run", move || watcher.report().to_string()),
            None => page,
        };
        (layer, page)
    }

    /// Sets the function that gives requests their label, such as the route: it tells observers what a request is. By
    /// default the label is axum's `MatchedPath` (feature `axum`), where there is one.
    ///
    /// The function is asked only if the layer is observed, or tried by a dry run. A layer has at most 1,000 labels of
    /// at most 128 bytes; what is beyond that is called `other`. Never make a label of what a user has typed: labels
    /// are shown to operators, and every new one costs them a time series.
    ///
    /// # Panics
    ///
    /// A function that panics fails no request: it is asked no more, and requests have no label.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// // By the first segment of the path, if it is a known one.
    /// let layer = HttpSingleflightLayer::new().label(|parts| {
    ///     let known = ["reports", "users"];
    ///     let first = parts.uri.path().split('/').nth(1)?;
    ///     known.into_iter().find(|known| *known == first).map(Into::into)
    /// });
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn label<F>(self, label: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    {
        self.with(|config| config.labels = Labels::new(label))
    }
}
