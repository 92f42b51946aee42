//! Which answers followers get, what of them, and how bodies are read.

use std::time::Duration;

use http::HeaderName;

use super::HttpSingleflightLayer;
use crate::http::{
    body::{LargeBodies, SpillStore},
    policy::CacheName,
};

impl<C> HttpSingleflightLayer<C> {
    /// Sets whether failures reach those who wait, as they do by default: statuses 500 to 599, errors, and the gRPC statuses
    /// 2, 10, 13, 14 and 15. With `false`, those who wait for one try for themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().share_server_errors(false);
    /// let (request, ()) = Request::get("/report/7").body(()).unwrap().into_parts();
    /// let (answer, ()) = Response::builder().status(503).body(()).unwrap().into_parts();
    /// assert!(!layer.explain_response(&request, &answer).would_be_shared()); // each caller tries for itself
    /// ```
    #[must_use]
    pub fn share_server_errors(self, share: bool) -> Self {
        self.with(|config| config.policy.share_server_errors = share)
    }

    /// Lets followers have event streams that say nothing of a lifetime or of `public`: token streams of a model, say, keyed
    /// by content. By default such a stream is taken for one that was opened for its leader.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().share_event_streams();
    /// let (request, ()) = Request::get("/tokens").body(()).unwrap().into_parts();
    /// let answer = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
    /// assert!(layer.explain_response(&request, &answer.into_parts().0).would_be_shared());
    /// ```
    #[must_use]
    pub fn share_event_streams(self) -> Self {
        self.with(|config| config.policy.share_event_streams = true)
    }

    /// Lets followers have answers that set cookies, without the `Set-Cookie` fields. By default they are released.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().strip_set_cookie(); // right only where no page is one user's
    /// let (request, ()) = Request::get("/report/7").body(()).unwrap().into_parts();
    /// let answer = Response::builder().header("set-cookie", "sid=1").body(()).unwrap();
    /// assert!(layer.explain_response(&request, &answer.into_parts().0).would_be_shared());
    /// ```
    #[must_use]
    pub fn strip_set_cookie(self) -> Self {
        self.with(|config| config.policy.strip_set_cookie = true)
    }

    /// Keeps answers that carry this field for the leader, as those that carry `Set-Cookie` or another field that hands out
    /// a session, a token or a nonce are kept anyway.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::{HeaderName, Request, Response};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().keep_header(HeaderName::from_static("x-acme-session"));
    /// let (request, ()) = Request::get("/report/7").body(()).unwrap().into_parts();
    /// let answer = Response::builder().header("x-acme-session", "1").body(()).unwrap();
    /// assert!(!layer.explain_response(&request, &answer.into_parts().0).would_be_shared());
    /// ```
    #[must_use]
    pub fn keep_header(self, name: HeaderName) -> Self {
        self.with(|config| config.policy.kept.push(name))
    }

    /// Takes this field out of the answers that followers get, since it names a single exchange. `X-Request-Id`,
    /// `Traceresponse` and their like are taken out anyway.
    ///
    /// # Examples
    ///
    /// ```
    /// # use http::HeaderName;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().drop_header(HeaderName::from_static("x-acme-call"));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn drop_header(self, name: HeaderName) -> Self {
        self.with(|config| config.policy.dropped.push(name))
    }

    /// Copies this type from the extensions of the leader's response to those of its followers; no other extension is
    /// copied.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// /// Put into the response by the handler, for an access log above.
    /// #[derive(Clone)]
    /// struct Rows(usize);
    ///
    /// let layer = HttpSingleflightLayer::new().share_extension::<Rows>();
    /// # drop((layer, Rows(7).0));
    /// ```
    #[must_use]
    pub fn share_extension<T: Clone + Send + Sync + 'static>(self) -> Self {
        self.with(|config| {
            config.share_extensions.push(|leaders, own| {
                if let Some(extension) = leaders.get::<T>() {
                    own.insert(extension.clone());
                }
            });
        })
    }

    /// Adds `Cache-Status` (RFC 9211) to responses, under this name: it says what became of the request, and nothing of
    /// the key.
    ///
    /// # Panics
    ///
    /// Panics if the name is not printable ASCII.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use http::{Request, Response};
    /// # use std::convert::Infallible;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// # let backend = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    /// let service = HttpSingleflightLayer::new().cache_status("reports").layer(backend);
    /// let request = Request::get("/").header("cookie", "session=1").body(String::new()).unwrap();
    /// let response = service.oneshot(request).await.unwrap();
    /// assert_eq!(response.headers()["cache-status"], "reports; fwd=bypass; detail=S6Cookie");
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cache_status(self, name: &str) -> Self {
        let name = CacheName::new(name);
        self.with(|config| config.cache_status = Some(name))
    }

    /// Sets how much of a body is kept between its fastest and its slowest reader, in bytes (default 1 MiB). A body
    /// that fits holds nobody up. A frame of fewer than 64 bytes counts as 64.
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().window(4 << 20); // 4 MiB
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn window(self, bytes: usize) -> Self {
        self.with(|config| config.window = bytes)
    }

    /// Sets for how long slower readers may hold up the others, in sum over one body (default 5 s). Then a reader that
    /// holds them up is cut: its body ends in an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_singleflight::HttpSingleflightLayer;
    /// let layer = HttpSingleflightLayer::new().stall(Duration::from_secs(1));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn stall(self, time: Duration) -> Self {
        self.with(|config| config.stall = time)
    }

    /// Sets what becomes of bodies that are larger than the window (default: [`LargeBodies::Alone`]).
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_singleflight::{HttpSingleflightLayer, http::LargeBodies};
    /// let layer = HttpSingleflightLayer::new().large_bodies(LargeBodies::Stream); // a slow reader may be cut
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn large_bodies(self, large_bodies: LargeBodies) -> Self {
        self.with(|config| {
            config.large_bodies = large_bodies;
            config.spill = SpillStore::new(large_bodies, config.spill_dir.clone());
        })
    }

    /// Sets the directory that bodies spill to (default: that of temporary files), with
    /// [`LargeBodies::Spill`]. A directory that is full, read-only or gone is no error: bodies are then treated as by
    /// [`LargeBodies::Stream`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use tower_singleflight::{HttpSingleflightLayer, http::LargeBodies};
    /// let spill = LargeBodies::Spill { per_body: 1 << 30, total: 4 << 30 }; // bytes
    /// let layer = HttpSingleflightLayer::new().large_bodies(spill).spill_dir("/var/tmp");
    /// # drop(layer);
    /// ```
    #[cfg(feature = "spill")]
    #[must_use]
    pub fn spill_dir(self, dir: impl Into<std::path::PathBuf>) -> Self {
        self.with(|config| {
            config.spill_dir = Some(dir.into());
            config.spill = SpillStore::new(config.large_bodies, config.spill_dir.clone());
        })
    }
}
