//! Counters, gauges and histograms, by the facade crate `metrics`.

#[cfg(feature = "fleet")]
mod fleet;
mod handles;

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use self::handles::{Flights, Route};
use crate::{Event, Observer, Role, observe::label::capped};

/// Tells the facade crate [`metrics`](https://docs.rs/metrics) what a group or a layer does: an [`Observer`].
///
/// Install the application's recorder first: what is counted is registered with it at the first event. Without a
/// recorder nothing is counted, and a call pays for the events alone.
///
/// # Names
///
/// All have the label `group`, the name given here. Exporters may write them otherwise: for Prometheus, with the recommended
/// naming of `metrics-exporter-prometheus`, `singleflight.calls` is `singleflight_calls_total`. `docs/grafana.json` in the
/// repository is a dashboard for Grafana by these names; its quantiles need `set_buckets` of that exporter, which makes
/// summaries without. With its `install_recorder`, call `run_upkeep` now and then: until then, or until it is scraped, it keeps
/// every sample of a histogram.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `singleflight.calls` | counter: each call once, when it is made | `role` = `leader`, `follower`, `alone`; `why` if alone |
/// | `singleflight.released` | counter: of the followers, those that ran their own work after all | `why` |
/// | `singleflight.left` | counter: calls whose callers left | `follower` = `true`, `false` |
/// | `singleflight.panicked` | counter: calls in which a panic was raised again | `follower` = `true`, `false` |
/// | `singleflight.flights` | counter | `end` = `solo`, `shared`, `not_shareable`, `panicked`, `abandoned`, `lost` |
/// | `singleflight.flight.duration` | histogram, seconds from the leader's call | `end` |
/// | `singleflight.wait.duration` | histogram, seconds from the call to its answer | `role` at the end |
/// | `singleflight.callers` | histogram: callers of each flight that landed | |
/// | `singleflight.in_flight` | gauge: flights under way | |
/// | `singleflight.waiting` | gauge: callers that follow another's flight | |
/// | `singleflight.body.readers` | histogram: readers of each body that several read | |
/// | `singleflight.body.lagged` | counter: readers that were cut since they held others up | |
/// | `singleflight.body.held` | gauge, bytes: what shared bodies keep in memory for their slower readers | |
///
/// `why` is the name of a [`Reason`](crate::Reason), or of the rule of HTTP that decided; it is `LedAgain` for a
/// follower that tried once more over HTTP, and then led a flight.
///
/// Saved calls are those of role `follower`, less `singleflight.released`, and less those that left or panicked with
/// `follower` = `true`. With [`per_route`](Self::per_route) what is counted by call has the label `route` too.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_singleflight::{Group, metrics::Metered};
///
/// let users = Group::new().observed(Metered::new("users"));
/// assert_eq!(users.call(7, || async { "Ada" }).await.value, "Ada");
/// # }
/// ```
pub struct Metered {
    group: Arc<str>,
    per_route: bool,
    flights: OnceLock<Flights>,
    /// The figures of calls without a label; of all calls, where routes are not told apart.
    calls: OnceLock<Route>,
    /// A leaf lock. The figures of a route are registered without it: a recorder is user code.
    routes: RwLock<Routes>,
}

type Routes = HashMap<Box<str>, Arc<OnceLock<Route>>>;

impl Metered {
    /// Returns an observer whose figures have this name as the label `group`. The figures of two observers with one
    /// name are added up.
    pub fn new(group: impl Into<Cow<'static, str>>) -> Self {
        Self {
            group: group.into().into(),
            per_route: false,
            flights: OnceLock::new(),
            calls: OnceLock::new(),
            routes: RwLock::default(),
        }
    }

    /// Adds the label `route` to what is counted by call: what [`label`] of an HTTP layer says, by default axum's
    /// `MatchedPath`. At most 1,000; those beyond are called `other`. Each route is a time series of its own for every
    /// role and every reason that it has had.
    ///
    /// [`label`]: crate::HttpSingleflightLayer::label
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{HttpSingleflightLayer, metrics::Metered};
    ///
    /// let layer = HttpSingleflightLayer::new().observe(Metered::new("public").per_route());
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn per_route(self) -> Self {
        Self { per_route: true, ..self }
    }

    fn flights(&self) -> &Flights {
        once(&self.flights, || Flights::new(&self.group))
    }

    /// Raises figures of a label.
    fn with_route(&self, label: Option<&str>, raise: impl FnOnce(&Route)) {
        match label.filter(|_| self.per_route) {
            None => raise(once(&self.calls, || Route::new(&self.group, None))),
            Some(label) => {
                let (label, figures) = self.route(label);
                raise(once(&figures, || Route::new(&self.group, Some(label))));
            }
        }
    }

    /// Returns the label under which a route is counted, and its figures.
    fn route<'a>(&self, label: &'a str) -> (&'a str, Arc<OnceLock<Route>>) {
        let known = |routes: &Routes| {
            let find = |label| Some((label, Arc::clone(routes.get(label)?)));
            find(label).or_else(|| find(capped(label, routes.len())))
        };
        if let Some(known) = known(&self.routes.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        // Looked up again: other threads may have taken the last places.
        known(&routes).unwrap_or_else(|| {
            let label = capped(label, routes.len());
            (label, Arc::clone(routes.entry(label.into()).or_default()))
        })
    }
}

/// Returns what is made once. It is made outside the cell: the recorder may call the group, and ask for the same.
fn once<V>(cell: &OnceLock<V>, make: impl FnOnce() -> V) -> &V {
    cell.get().unwrap_or_else(|| {
        let made = make();
        cell.get_or_init(|| made)
    })
}

impl Observer for Metered {
    fn on(&self, event: &Event<'_>) {
        match *event {
            Event::Led { again, label, .. } => {
                let flights = self.flights();
                flights.in_flight.increment(1.0);
                if again {
                    // The follower runs its own work after all.
                    flights.waiting.decrement(1.0);
                    self.with_route(label, |route| route.released.increment("LedAgain"));
                } else {
                    self.with_route(label, |route| route.leader.increment(1));
                }
            }
            Event::Joined { again: false, label, .. } => {
                self.flights().waiting.increment(1.0);
                self.with_route(label, |route| route.follower.increment(1));
            }
            Event::Alone { why, label, .. } => self.with_route(label, |route| route.alone.increment(why)),
            Event::Landed { took, callers, shared, .. } => self.flights().landed(shared, took, callers),
            Event::Ended { how, took, .. } => self.flights().ended(how, took),
            Event::Released { why, label, .. } => {
                self.flights().waiting.decrement(1.0);
                self.with_route(label, |route| route.released.increment(why));
            }
            Event::Answered { role, waited, label, .. } => {
                if role == Role::Follower {
                    self.flights().waiting.decrement(1.0);
                }
                self.with_route(label, |route| route.waited(role, waited));
            }
            Event::Panicked { follower, label, .. } => {
                self.waits_no_more(follower);
                self.with_route(label, |route| route.panicked(follower));
            }
            Event::Left { follower, label, .. } => {
                self.waits_no_more(follower);
                self.with_route(label, |route| route.left(follower));
            }
            Event::Joined { .. } | Event::Moved { .. } => {}
        }
    }
}

impl Metered {
    fn waits_no_more(&self, follower: bool) {
        if follower {
            self.flights().waiting.decrement(1.0);
        }
    }
}

#[cfg(feature = "http")]
impl crate::http::HttpObserver for Metered {
    fn on_http(&self, event: &crate::http::HttpEvent<'_>) {
        use crate::http::HttpEvent;

        match *event {
            HttpEvent::Lagged { readers } => self.flights().bodies.lagged.increment(readers as u64),
            HttpEvent::Held { bytes } => self.flights().bodies.held.increment(bytes as f64),
            HttpEvent::BodyEnded { readers } => self.flights().bodies.readers.record(readers as f64),
            HttpEvent::Bypassed { .. } | HttpEvent::Released { .. } | HttpEvent::Fenced { .. } => {}
        }
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("group", &self.group).finish_non_exhaustive()
    }
}
