//! Which parts of a request are in its key: fields, query, identity, and what else is told apart.

use std::{hash::Hash, mem::take};

use http::{HeaderName, request, uri::Scheme};

use super::HttpSingleflightLayer;

impl<C> HttpSingleflightLayer<C> {
    /// Takes a request field off [the list](crate::guide::excepted_fields), so that it is a part of the key: `user-agent`,
    /// say, or `x-forwarded-for` where answers depend on the address. Fields that are not on the list are in the key
    /// anyway.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{HeaderName, Request};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().key_header(HeaderName::from_static("x-forwarded-for"));
    /// let key = |address| {
    ///     let request = Request::get("/").header("x-forwarded-for", address).body(()).unwrap();
    ///     layer.key(&request.into_parts().0)
    /// };
    /// assert_ne!(key("192.0.2.1"), key("192.0.2.2")); // by default they are equal
    /// ```
    #[must_use]
    pub fn key_header(self, name: HeaderName) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).key_header(name))
    }

    /// Leaves more request fields out of the key than [the list](crate::guide::excepted_fields) does: an answer that
    /// depends on one of them must say so in `Vary`. A name that ends in `*` stands for all names that begin with what
    /// is before the `*`. A line whose value has unusual characters counts all the same, as with the fields of the list
    /// (S27).
    ///
    /// # Panics
    ///
    /// Panics if a name, without a `*` at its end, is no name of a field.
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
    ///
    /// A parameter is known by its name as it was sent, so `%75tm` is not `utm`. One that contains a `;` counts, since
    /// some servers read a second one behind it. The values are not checked as those of fields are (S27): a page that
    /// shows such a value would show one caller's to all.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().ignore_query(["utm_source"]);
    /// let key = |uri| layer.key(&Request::get(uri).body(()).unwrap().into_parts().0);
    /// assert_eq!(key("/a?id=7&utm_source=mail"), key("/a?id=7"));
    /// assert_ne!(key("/a?id=7"), key("/a?id=8"));
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// /// Put into the request's extensions by an auth layer above.
    /// #[derive(Clone, PartialEq, Eq, Hash)]
    /// struct User(u64);
    ///
    /// let layer = HttpSingleflightLayer::new().identity(|parts| parts.extensions.get::<User>().cloned());
    /// let key = |id| layer.key(&Request::get("/").extension(User(id)).body(()).unwrap().into_parts().0);
    /// assert_eq!(key(7), key(7));
    /// assert_ne!(key(7), key(8));
    /// ```
    #[must_use]
    pub fn identity<F, I>(self, identity: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<I> + Send + Sync + 'static,
        I: Hash + Eq + Send + Sync + 'static,
    {
        self.with(|config| config.recipe = take(&mut config.recipe).identity(identity))
    }

    /// Makes `If-None-Match` and `If-Modified-Since` parts of the key, so that equal conditions coalesce.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().key_validators();
    /// let key = |value| {
    ///     let request = Request::get("/").header("if-none-match", value).body(()).unwrap();
    ///     layer.key(&request.into_parts().0)
    /// };
    /// assert_eq!(key("\"v1\""), key("\"v1\""));
    /// assert_ne!(key("\"v1\""), key("\"v2\""));
    /// ```
    #[must_use]
    pub fn key_validators(self) -> Self {
        self.with(|config| {
            config.recipe = take(&mut config.recipe).key_validators();
            config.policy.validators = true;
        })
    }

    /// Sets the scheme of requests whose URI has none (default `http`), since a request over HTTP/1.1 does not name it.
    /// Behind TLS, `https` lets requests over HTTP/1.1 share with those over HTTP/2.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Request, uri::Scheme};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().default_scheme(Scheme::HTTPS);
    /// let key = |uri| layer.key(&Request::get(uri).header("host", "a.test").body(()).unwrap().into_parts().0);
    /// assert_eq!(key("/rows"), key("https://a.test/rows"));
    /// ```
    #[must_use]
    pub fn default_scheme(self, scheme: Scheme) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).default_scheme(scheme))
    }

    /// Sets how long a key may be, in bytes (default 8 KiB); a request with a longer one goes alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().max_key_bytes(256);
    /// let key = |uri: String| layer.key(&Request::get(uri).body(()).unwrap().into_parts().0);
    /// assert!(key("/short".into()).is_some());
    /// assert!(key(format!("/{}", "long".repeat(64))).is_none());
    /// ```
    #[must_use]
    pub fn max_key_bytes(self, bytes: usize) -> Self {
        self.with(|config| config.recipe = take(&mut config.recipe).max_key_bytes(bytes))
    }
}
