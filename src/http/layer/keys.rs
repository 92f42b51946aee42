//! Who asks: credentials and cookies, and a key function in place of everything.

use std::{hash::Hash, mem::take};

use http::request;

use super::HttpSingleflightLayer;
use crate::http::policy::{Cookies, Credentials};

impl<C> HttpSingleflightLayer<C> {
    /// Makes `Authorization`, `Proxy-Authorization` and `Cookie` parts of the key: one user's duplicates coalesce, two
    /// users' never do. Without it, requests that carry one of them go alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().per_credential();
    /// let key = |value| {
    ///     let request = Request::get("/").header("authorization", value).body(()).unwrap();
    ///     layer.key(&request.into_parts().0)
    /// };
    /// assert_eq!(key("Ann"), key("Ann"));
    /// assert_ne!(key("Ann"), key("Bob"));
    /// ```
    #[must_use]
    pub fn per_credential(self) -> Self {
        self.with(|config| {
            config.recipe = take(&mut config.recipe).per_credential();
            config.policy.credentials = Credentials::Keyed;
            config.policy.cookies = Cookies::Keyed;
        })
    }

    /// Lets requests with `Authorization` join flights, and leaves it to each answer who may have it.
    ///
    /// An answer that says `public`, `s-maxage` or `must-revalidate`, and is not stale on arrival, reaches all who wait,
    /// with credentials or without (S5; RFC 9111, section 3.5). Any other answer to a request with `Authorization` is its
    /// leader's alone, and any other answer to one without reaches only those who sent none.
    ///
    /// # Trade-offs
    ///
    /// An origin that marks a user's page as `public` by mistake has it shared, as a shared cache would.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Request, Response};
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// // A catalogue that only customers may read, and that is the same for all: it says `Cache-Control: public`.
    /// let layer = HttpSingleflightLayer::new().share_authorized();
    /// let request = Request::get("/catalogue").header("authorization", "Bearer 1").body(()).unwrap().into_parts().0;
    /// let answer = |value| Response::builder().header("cache-control", value).body(()).unwrap().into_parts().0;
    /// assert!(layer.explain_response(&request, &answer("public")).would_be_shared());
    /// assert!(!layer.explain_response(&request, &answer("max-age=60")).would_be_shared());
    /// ```
    #[must_use]
    pub fn share_authorized(self) -> Self {
        self.with(|config| config.policy.credentials = Credentials::ByResponse)
    }

    /// Makes the cookies of these names parts of the key, and leaves the others out: no answer may depend on those.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().key_cookies(["language"]);
    /// let key = |value| {
    ///     let request = Request::get("/").header("cookie", value).body(()).unwrap();
    ///     layer.key(&request.into_parts().0)
    /// };
    /// assert_eq!(key("language=de; seen=1"), key("language=de; seen=2"));
    /// assert_ne!(key("language=de"), key("language=en"));
    /// ```
    #[must_use]
    pub fn key_cookies<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.with(|config| {
            let recipe = take(&mut config.recipe);
            config.recipe = names.into_iter().fold(recipe, |recipe, name| recipe.key_cookie(name.as_ref()));
            config.policy.cookies = Cookies::Keyed;
        })
    }

    /// Leaves cookies out of the decision: no answer may depend on them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().ignore_cookies();
    /// let key = |value| {
    ///     let request = Request::get("/").header("cookie", value).body(()).unwrap();
    ///     layer.key(&request.into_parts().0)
    /// };
    /// assert_eq!(key("session=1"), key("session=2")); // right only where no page is one user's
    /// ```
    #[must_use]
    pub fn ignore_cookies(self) -> Self {
        self.with(|config| config.policy.cookies = Cookies::Keyed)
    }

    /// Leaves cookies of these names (analytics, say) out of the decision and of the key: no answer may depend on them.
    /// A request with any other cookie, or with one that does not parse, still goes alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().ignore_cookies_named(["_ga", "_gid"]);
    /// let key = |value| {
    ///     let request = Request::get("/").header("cookie", value).body(()).unwrap();
    ///     layer.key(&request.into_parts().0)
    /// };
    /// assert_eq!(key("_ga=1"), key("_ga=2; _gid=3"));
    /// assert!(key("_ga=1; session=4").is_none());
    /// ```
    #[must_use]
    pub fn ignore_cookies_named<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.with(|config| {
            let names = names.into_iter().map(|name| name.as_ref().into());
            match &mut config.policy.cookies {
                Cookies::Ignored(known) => known.extend(names),
                cookies => *cookies = Cookies::Ignored(names.collect()),
            }
        })
    }

    /// Sets the function that makes the key, in place of all that the layer would put into it; `None` sends the request
    /// alone.
    ///
    /// The middle way between [`SingleflightLayer`](crate::SingleflightLayer) and a layer that makes the key itself.
    /// Requests with equal keys may share a flight, with credentials and cookies or without. All rules on answers are
    /// kept (`Vary`, `Set-Cookie`, Cache-Control, statuses, bodies), and so are those on methods, content, ranges,
    /// conditions and connections. A `GET` never shares with a `HEAD`.
    ///
    /// # Panics
    ///
    /// A panic of the function is raised in its caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// // All who ask for a path get the same answer, whatever their query and their fields are.
    /// let layer = HttpSingleflightLayer::new().key_fn(|parts| Some(parts.uri.path().to_owned()));
    /// let key = |target| layer.key(&Request::get(target).body(()).unwrap().into_parts().0);
    /// assert_eq!(key("/report?user=1"), key("/report?user=2"));
    /// assert_ne!(key("/report"), key("/account"));
    /// ```
    #[must_use]
    pub fn key_fn<F, K>(self, key_fn: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<K> + Send + Sync + 'static,
        K: Hash + Eq + Send + Sync + 'static,
    {
        self.with(|config| {
            config.recipe = take(&mut config.recipe).key_fn(key_fn);
            config.policy.credentials = Credentials::Keyed;
            config.policy.cookies = Cookies::Keyed;
        })
    }
}
