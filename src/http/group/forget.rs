//! Fences and forgetting: whoever asks from then on starts anew.

use std::iter;

use super::HttpGroup;
use crate::http::{fence::FencedPlace, key::HttpKey};

impl HttpGroup {
    /// Fences a path, with any query, under this host and port or under every one: requests for it that come from now
    /// on join no flight from before.
    ///
    /// Through the group of a layer value it reaches all services of that value. The fleets of the group's layers are
    /// told, and nothing waits for that: until they know, requests of this process for the path join no other process's
    /// flight. On a thread without a runtime, they are told on the runtime that asked them last.
    ///
    /// For writes that do not pass the layer, and for what a write changes beside its own URI (its list, say). The path
    /// is the one that was asked for, byte by byte; a query is left out. Callers who have joined still get their answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let layer = HttpSingleflightLayer::new();
    /// // An entry was deleted by a job: nobody gets the list from before.
    /// layer.get_group().fence(None, "/entries");
    /// ```
    pub fn fence(&self, authority: Option<&str>, path: &str) {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let place = match authority {
            Some(authority) => FencedPlace::Path(Some(authority.as_bytes()), path),
            None => FencedPlace::AnyPath(path),
        };
        self.fences().raise(place);
        // The engines are told in passing: until they know, requests for the path share within their own process only.
        let _ = self.fleets().fence(false, iter::once(path));
        let _ = self.fleets().fence(true, iter::once(path));
    }

    /// Makes later callers of the key start anew; returns whether a flight was forgotten.
    ///
    /// Callers of the forgotten flight still get its answer.
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
    /// let layer = HttpSingleflightLayer::new();
    /// let mut service = layer.layer(backend);
    /// let request = || Request::get("/report").body(String::new()).unwrap();
    /// let calls = (service.call(request()), service.call(request()));
    /// let key = layer.key(&request().into_parts().0).unwrap();
    /// assert!(service.group().forget(&key));
    /// assert_eq!(service.group().callers(&key), 0); // a new caller leads a new flight
    /// # drop(calls);
    /// # }
    /// ```
    pub fn forget(&self, key: &HttpKey) -> bool {
        self.nodes().filter(|node| node.flights.forget(key)).count() > 0
    }

    /// Makes later callers of every key that the predicate picks start anew; returns how many flights were forgotten.
    ///
    /// # Panics
    ///
    /// A panic of the predicate is raised in the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::http::HttpGroup;
    ///
    /// let group = HttpGroup::new();
    /// // After a change of many reports:
    /// let below = |path: &str| path.starts_with("/reports/");
    /// assert_eq!(group.forget_where(|key| key.path().is_some_and(below)), 0); // nobody was asking for one
    /// ```
    pub fn forget_where<F>(&self, predicate: F) -> usize
    where
        F: Fn(&HttpKey) -> bool,
    {
        self.nodes().map(|node| node.flights.forget_where(&predicate)).sum()
    }
}
