//! What of a request is in its key.

use std::{hash::Hash, mem::take};

use http::{HeaderName, request, uri::Scheme};

use super::HttpSingleflightLayer;
use crate::http::policy::{Cookies, Credentials};

impl<C> HttpSingleflightLayer<C> {
    /// Makes `Authorization`, `Proxy-Authorization` and `Cookie` parts of the key: one user's duplicates coalesce, two
    /// users' never do. Without it, requests that carry one of them go alone.
    #[must_use]
    pub fn per_credential(self) -> Self {
        self.with(|config| {
            config.recipe = take(&mut config.recipe).per_credential();
            config.policy.credentials = Credentials::Keyed;
            config.policy.cookies = Cookies::Keyed;
        })
    }

    /// Lets requests with `Authorization` coalesce if the response allows it: by `public`, `s-maxage` or
    /// `must-revalidate` (RFC 9111, section 3.5), unless it is stale on arrival. Otherwise an answer is for those
    /// without credentials, if for any.
    #[must_use]
    pub fn share_authorized(self) -> Self {
        self.with(|config| config.policy.credentials = Credentials::ByResponse)
    }

    /// Makes the cookies of these names parts of the key, and leaves the others out: no answer may depend on those.
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
    #[must_use]
    pub fn ignore_cookies(self) -> Self {
        self.with(|config| config.policy.cookies = Cookies::Keyed)
    }

    /// Leaves out of the decision and of the key cookies of these names (analytics, say): no answer may depend on them. A
    /// request with any other cookie, or with one that does not parse, still goes alone.
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

    /// Asks this for the key, in place of all that the request's head would put into it; `None` sends the request alone.
    ///
    /// The middle way between [`SingleflightLayer`](crate::SingleflightLayer) and a layer that makes the key itself: what
    /// the function calls equal may share a flight, credentials and cookies or not, and all rules on answers are kept
    /// (`Vary`, `Set-Cookie`, Cache-Control, statuses, bodies), and so are those on methods, content, ranges, conditions
    /// and connections. `GET` and `HEAD` never share.
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
    /// // All who ask for a path get the same answer, whatever their query and their fields are.
    /// let layer = HttpSingleflightLayer::new().key_fn(|parts| Some(parts.uri.path().to_owned()));
    /// # drop(layer);
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

    /// Makes a request field a part of the key that is not, since it is on
    /// [the list](crate::guide::excepted_fields): `user-agent`, say, or `x-forwarded-for` where answers depend on the
    /// address. All other fields are anyway.
    #[must_use]
    pub fn key_header(self, name: HeaderName) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).key_header(name))
    }

    /// Leaves more request fields out of the key than [the list](crate::guide::excepted_fields) does: no answer may depend
    /// on them, but by `Vary`. A name with a `*` at its end stands for all that begin so. A line whose value is odd counts
    /// all the same, as with the fields of the list.
    ///
    /// # Panics
    ///
    /// Panics if a name is empty or no field name, apart from a `*` at its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::HttpSingleflightLayer;
    ///
    /// let layer = HttpSingleflightLayer::new().ignore_headers(["x-acme-trace", "x-acme-span-*"]);
    /// # drop(layer);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn ignore_headers<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut names = names.into_iter();
        self.with(|config| {
            let recipe = take(&mut config.recipe);
            config.recipe = names.by_ref().fold(recipe, |recipe, name| recipe.ignore_header(name.as_ref()));
        })
    }

    /// Leaves these query parameters out of the key: no answer may depend on them.
    #[must_use]
    pub fn ignore_query<I>(self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.with(|config| config.recipe = take(&mut config.recipe).ignore_query(names))
    }

    /// Makes what an outer layer knows of the user or tenant a part of the key; `None` sends the request alone.
    ///
    /// # Panics
    ///
    /// A panic of the function is raised in its caller; no flight is touched.
    #[must_use]
    pub fn identity<F, I>(self, identity: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<I> + Send + Sync + 'static,
        I: Hash + Eq + Send + Sync + 'static,
    {
        self.with(|config| config.recipe = take(&mut config.recipe).identity(identity))
    }

    /// Makes `If-None-Match` and `If-Modified-Since` parts of the key, so that equal conditions coalesce.
    #[must_use]
    pub fn key_validators(self) -> Self {
        self.with(|config| {
            config.recipe = take(&mut config.recipe).key_validators();
            config.policy.validators = true;
        })
    }

    /// Sets the scheme of requests whose URI has none (default `http`): over HTTP/1.1 a server is not told. Behind TLS,
    /// `https` lets requests of both versions of HTTP share.
    #[must_use]
    pub fn default_scheme(self, scheme: Scheme) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).default_scheme(scheme))
    }

    /// Sets how long a key may be, in bytes (default 8 KiB); a request with a longer one goes alone.
    #[must_use]
    pub fn max_key_bytes(self, bytes: usize) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).max_key_bytes(bytes))
    }
}
