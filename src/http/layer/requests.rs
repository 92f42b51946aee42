//! Which requests may share: the switch, methods, content, and gRPC.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, request};

use super::HttpSingleflightLayer;
use crate::http::content::{Contents, GRPC_CONTENT, HttpContent};

impl<C> HttpSingleflightLayer<C> {
    /// Asks this function about every request first; `false` sends the request alone. It is the off switch, for a route
    /// or a request.
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
    /// let layer = HttpSingleflightLayer::new().coalesce_if(|parts| !parts.uri.path().starts_with("/account"));
    /// let key = |path| layer.key(&Request::get(path).body(()).unwrap().into_parts().0);
    /// assert!(key("/report").is_some());
    /// assert!(key("/account").is_none());
    /// ```
    #[must_use]
    pub fn coalesce_if<F>(self, coalesce_if: F) -> Self
    where
        F: Fn(&request::Parts) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.coalesce_if = Some(Arc::new(coalesce_if)))
    }

    /// Adds methods without side effects that may coalesce, such as `QUERY`, or `POST` on a GraphQL endpoint without
    /// mutations. Their content belongs in the key: [`content_key`](Self::content_key).
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Method, Request};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let query = Method::from_bytes(b"QUERY").unwrap();
    /// let layer = HttpSingleflightLayer::new().methods([query.clone()]).content_key(64 << 10);
    /// let (request, ()) = Request::builder().method(query).uri("/reports").body(()).unwrap().into_parts();
    /// assert!(layer.explain(&request, &request).would_share());
    /// ```
    #[must_use]
    pub fn methods<I: IntoIterator<Item = Method>>(self, methods: I) -> Self {
        self.with(|config| config.policy.methods.extend(methods))
    }

    /// Asks this function about every request whose content is in the key, and about every one without content that is
    /// neither `GET` nor `HEAD`; `false` sends the request alone, as a write (S21).
    ///
    /// It is for GraphQL, say, where the [recipe](crate::guide::recipes#graphql-queries-share-mutations-do-not) tells
    /// mutations from queries.
    ///
    /// Say what may share, not what may not: what you did not think of then goes alone.
    ///
    /// # Panics
    ///
    /// A panic of the function is raised in its caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Method, Request};
    /// use tower_singleflight::{HttpSingleflightLayer, http::Asked};
    ///
    /// let layer = HttpSingleflightLayer::new()
    ///     .methods([Method::POST])
    ///     .content_if(|_, content| content.starts_with(b"SELECT ") && !content.contains(&b';'))
    ///     .content_key(64 << 10);
    /// let (parts, ()) = Request::post("/query").body(()).unwrap().into_parts();
    /// let shares = |content: &'static str| {
    ///     let asked = Asked::new(&parts).content(content);
    ///     layer.explain(asked.clone(), asked).would_share()
    /// };
    /// assert!(shares("SELECT 1"));
    /// assert!(!shares("DELETE FROM t"));
    /// ```
    #[must_use]
    pub fn content_if<F>(self, content_if: F) -> Self
    where
        F: Fn(&request::Parts, &Bytes) -> bool + Send + Sync + 'static,
    {
        self.with(|config| config.content_if = Some(Arc::new(content_if)))
    }

    /// Makes content of up to `max_bytes` a part of the key, for requests that have some. One with more goes alone, its
    /// content whole and unchanged.
    ///
    /// The content is read before the request joins a flight. The wrapped service gets requests with a
    /// [`ContentBody`](crate::http::ContentBody).
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Method, Request};
    /// # use tower_singleflight::{HttpSingleflightLayer, http::{Asked, Difference}};
    /// // Searches by `POST`, told apart by what they search for. What has more than 64 KiB goes alone.
    /// let layer = HttpSingleflightLayer::new().methods([Method::POST]).content_key(64 << 10);
    /// let (parts, ()) = Request::post("/search").body(()).unwrap().into_parts();
    /// let search = |content: &'static str| Asked::new(&parts).content(content);
    /// assert_eq!(layer.explain(search("rust"), search("tower")).differences(), [Difference::Content]);
    /// ```
    #[must_use]
    pub fn content_key(self, max_bytes: usize) -> HttpSingleflightLayer<Contents> {
        let Self { config, group, routes, watcher, .. } = self;
        HttpSingleflightLayer { config, group, routes, content: Contents::new(max_bytes), watcher }
    }

    /// Coalesces these gRPC methods, `/package.Service/Method`: unary ones without side effects.
    ///
    /// Their key is the path, the authority, the metadata less what belongs to one call or hop, and the message.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::Request;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().grpc(["/reports.Reports/Get"]);
    /// let call = |method| {
    ///     let request = Request::post(method).header("content-type", "application/grpc").body(()).unwrap();
    ///     request.into_parts().0
    /// };
    /// let (get, list) = (call("/reports.Reports/Get"), call("/reports.Reports/List"));
    /// assert!(layer.explain(&get, &get).would_share());
    /// assert!(!layer.explain(&list, &list).would_share());
    /// ```
    #[must_use]
    pub fn grpc<I>(self, methods: I) -> HttpSingleflightLayer<Contents>
    where
        I: IntoIterator,
        I::Item: Into<String>,
        C: HttpContent,
    {
        let max = self.content.max().unwrap_or(GRPC_CONTENT);
        self.with(|config| config.grpc.extend(methods.into_iter().map(|method| method.into().into_boxed_str())))
            .content_key(max)
    }

    /// Names gRPC methods that only read, and are not to be shared (streams, lists).
    ///
    /// Where a service has a method that is opted in with [`grpc`](Self::grpc), a call of any method that is named in
    /// neither counts as a write. After it nobody joins flights that began before it, since it may have changed what
    /// they read (S21).
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new()
    ///     .grpc(["/reports.Reports/Get"]) // shared
    ///     .grpc_reads(["/reports.Reports/Watch"]); // not shared; any other method of the service may be a write
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn grpc_reads<I>(self, methods: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let methods = methods.into_iter().map(|method| method.into().into_boxed_str());
        self.with(|config| config.grpc_reads.extend(methods))
    }
}
