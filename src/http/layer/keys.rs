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

    /// Makes a request field a part of the key. `accept`, `accept-encoding`, `accept-language` and `origin` always are.
    #[must_use]
    pub fn key_header(self, name: HeaderName) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).key_header(name))
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
