//! Flights that many processes share.

use std::sync::Arc;

use http::{HeaderName, request};

use super::HttpSingleflightLayer;
use crate::fleet::Fleet;

impl<C> HttpSingleflightLayer<C> {
    /// Shares flights with the other processes of a fleet: equal requests that come to several machines at once are one call.
    ///
    /// Requests share a flight within the process first, as ever; only the call of its leader asks the fleet. `name`
    /// names what is behind the layer, and is part of every name in the engine. Change it when equal requests come to
    /// mean something else, as they may with another [`content_if`](Self::content_if); a new [`label`](Self::label)
    /// makes no difference.
    ///
    /// # Guarantees
    ///
    /// 1. What [`Fleet`] guarantees: above all, the engine never makes a request fail, and costs it at most twice its
    ///    budget.
    /// 2. The rules of sharing hold across processes: the leader's process sends no answer that its followers might not
    ///    have, and each process judges again what it gets, by its own settings and its own request.
    /// 3. A request asks the fleet only if its key holds nothing that may be a user's own: no credentials, no cookies, no
    ///    identity, no key of [`key_fn`](Self::key_fn), and no fields but those that browsers and gRPC clients send with
    ///    every request. [`fleet_headers`](Self::fleet_headers) and [`fleet_private`](Self::fleet_private) add to these.
    /// 4. Requests that do not show the URI they were asked for stay in the process, unless [`group`](Self::group) gives
    ///    one: nothing tells two routes apart there.
    /// 5. An answer's body is neither copied nor kept for the fleet unless another process waits for it. It gets there as a
    ///    whole; one that breaks off never does.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty.
    ///
    /// # Trade-offs
    ///
    /// A lone request waits for the engine twice. A body that is larger than the fleet's
    /// [`max_message`](crate::fleet::FleetSettings::max_message), or larger than the window while somebody reads
    /// slowly, reaches this process's callers only. Layers whose settings differ in what a key is made of, or in what
    /// may be shared, do not meet; nor do two versions of this crate, as a rule.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{HttpSingleflightLayer, fleet::{Fleet, MemoryEngine}};
    ///
    /// let fleet = Fleet::new(MemoryEngine::new(), [7; 32]); // in production, an engine that all machines reach
    /// let layer = HttpSingleflightLayer::new().fleet(fleet, "reports");
    /// # drop(layer);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn fleet(mut self, fleet: Fleet, name: &str) -> Self {
        Arc::make_mut(&mut self.config).fleet.join(&fleet, name);
        self
    }

    /// Lets requests with these fields ask the fleet. Name fields whose values are the same for many users, and no
    /// secrets. The engine sees only digests of them, made with the fleet's secret.
    ///
    /// Credentials and cookies are none of these: see [`fleet_private`](Self::fleet_private).
    ///
    /// # Panics
    ///
    /// Panics if one is not the name of a field.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let layer = HttpSingleflightLayer::new().fleet_headers(["x-tenant", "x-api-version"]);
    /// # drop(layer);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn fleet_headers<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().map(field).collect();
        self.with(|config| config.fleet.name_fields(names))
    }

    /// Lets requests whose key holds credentials or cookies ask the fleet: what one user asks of two machines at once is then
    /// one call, and the answer lies in the engine, encrypted, for a moment.
    ///
    /// An [`identity`](Self::identity) stays in the process all the same: nothing is known of its bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let layer = HttpSingleflightLayer::new().per_credential().fleet_private();
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn fleet_private(self) -> Self {
        self.with(|config| config.fleet.travelling.private = true)
    }

    /// Asks this function about every request that may share: `false` keeps its flight in the process. It is for calls
    /// that take less time than asking the engine does, which is some 5 ms.
    ///
    /// # Panics
    ///
    /// A panic of the function is raised in its caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let layer = HttpSingleflightLayer::new().fleet_if(|parts| parts.uri.path().starts_with("/report"));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn fleet_if<F>(self, fleet_if: F) -> Self
    where
        F: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.fleet.fleet_if = Some(Arc::new(fleet_if)))
    }
}

#[track_caller]
fn field(name: &str) -> HeaderName {
    match HeaderName::try_from(name) {
        Ok(name) => name,
        Err(_) => panic!("no name of a field: {name:?}"),
    }
}
