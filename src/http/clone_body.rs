//! HTTP responses that are `Clone`: for `SingleflightLayer`, with a key function of the user's own.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Response;
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{BodySource, SpillStore};

/// Makes HTTP responses `Clone`, each clone with a body of its own, from the first frame on: put it below
/// [`SingleflightLayer`](crate::SingleflightLayer).
///
/// A body that is never cloned passes through untouched; see [`BodySource`] for what is guaranteed once it is.
///
/// # Trade-offs
///
/// No rule of HTTP is kept here: all who have the same key get the same response, even one that sets a cookie, says
/// `private`, or was made for the leader's credentials. They get the extensions of the leader's response, too.
/// That is right where the key function knows all that an answer depends on and every answer may be shared, such as
/// between services of your own. Where requests come from clients, take
/// [`HttpSingleflightLayer`](crate::HttpSingleflightLayer): it judges each request and each answer, and sends alone
/// what may not be shared. Its [`key_fn`](crate::HttpSingleflightLayer::key_fn) takes a key function of your own, too.
///
/// A large body that outgrows the [`window`](Self::window) is subject to the [`stall`](Self::stall) rule.
///
/// What else a stack needs, from the top down:
///
/// | stack | lines beside the two layers |
/// |---|---|
/// | axum's `Router` | both in one `.layer(..)`, since a router boxes bodies anew at each, and `.group(g)` on the upper one; where something below fails, `HandleErrorLayer` above both and `.map_err(SharedError::new)` below both |
/// | a hyper server | none; where something below fails, `.map_err(SharedError::new)` below both |
/// | hyper-util's client | `.map_err(SharedError::new)` below both |
/// | reqwest | `.map_response(http::Response::<reqwest::Body>::from)` and `.map_err(SharedError::new)` below both; above both, for reqwest's own responses, `.map_response(\|r: http::Response<_>\| reqwest::Response::from(r.map(reqwest::Body::wrap)))`; their `url()` is lost below, and [kept](crate::guide::recipes#over-reqwest) by two lines more |
/// | a tonic server | none; where something below fails, `.map_err(Status::from_error)` below both: a status is `Clone`, and behind a shared error tonic would not find it |
/// | tonic's `Channel` | `.map_err(SharedError::new)` below both |
/// | a typed tonic client | neither this layer nor any line: messages and statuses are `Clone` |
/// | `Retry`, on a server | `.map_request(\|r: Request<Body>\| r.map(BodySource::new))` above it, and `.map_request(\|r: Request<BodySource<Body>>\| r.map(Body::new))` below it: such a request can be sent twice |
///
/// # Examples
///
/// On axum, which applies a layer once per route and connection, so that the group has to be given:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use axum::{Router, body::Body, extract::Request, routing::get};
/// use http_body_util::BodyExt;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_singleflight::{Group, SingleflightLayer, http::CloneBodyLayer};
///
/// let layers = ServiceBuilder::new()
///     .layer(SingleflightLayer::new(|request: &Request| Some(request.uri().clone())).group(Group::new()))
///     .layer(CloneBodyLayer::new());
/// let app: Router = Router::new().route("/report", get(|| async { "rows" })).layer(layers);
///
/// let response = app.oneshot(Request::get("/report").body(Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rows");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CloneBodyLayer {
    options: Options,
}

/// A service whose HTTP responses are `Clone`; made by [`CloneBodyLayer`].
#[derive(Clone, Debug)]
pub struct CloneBody<S> {
    inner: S,
    options: Options,
}

/// The response future of [`CloneBody`].
///
/// # Cancel safety
///
/// Dropping it drops the call of the wrapped service.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless you await or poll them"]
pub struct CloneBodyFuture<F> {
    #[pin]
    call: F,
    options: Options,
}

/// The settings of each body.
#[derive(Clone, Debug, Default)]
struct Options {
    /// In bytes.
    window: Option<usize>,
    stall: Option<Duration>,
    spill: SpillStore,
}

impl Options {
    fn apply<B>(&self, mut body: BodySource<B>) -> BodySource<B> {
        if let Some(bytes) = self.window {
            body = body.window(bytes);
        }
        if let Some(time) = self.stall {
            body = body.stall(time);
        }
        body.spill(self.spill.clone())
    }
}

impl CloneBodyLayer {
    /// Returns a layer with the defaults of [`BodySource`].
    pub fn new() -> Self {
        Self { options: Options::default() }
    }

    /// Sets how much is kept between the fastest and the slowest reader of a body, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// use tower_singleflight::http::CloneBodyLayer;
    ///
    /// let layer = CloneBodyLayer::new().window(4 << 20).stall(Duration::from_secs(1)); // 4 MiB
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.options.window = Some(bytes);
        self
    }

    /// Sets how long readers wait for slower ones, in sum over a body; see [`BodySource::stall`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_singleflight::http::CloneBodyLayer;
    ///
    /// // Callers are in one data centre: once the readers of a body have waited for half a second in all, whoever holds
    /// // them up is cut.
    /// let layer = CloneBodyLayer::new().window(64 << 10).stall(Duration::from_millis(500));
    /// # drop(layer);
    /// ```
    #[must_use]
    pub fn stall(mut self, time: Duration) -> Self {
        self.options.stall = Some(time);
        self
    }

    /// Sets where the parts of a body wait that do not fit the window, so that its faster readers need not wait; see
    /// [`BodySource::spill`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "spill")] {
    /// use tower_singleflight::http::{CloneBodyLayer, LargeBodies, SpillStore};
    ///
    /// let spill = LargeBodies::Spill { per_body: 1 << 30, total: 4 << 30 }; // bytes
    /// let layer = CloneBodyLayer::new().spill(SpillStore::new(spill, None));
    /// # drop(layer);
    /// # }
    /// ```
    #[must_use]
    pub fn spill(mut self, store: SpillStore) -> Self {
        self.options.spill = store;
        self
    }
}

impl Default for CloneBodyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CloneBodyLayer {
    type Service = CloneBody<S>;

    fn layer(&self, inner: S) -> CloneBody<S> {
        CloneBody { inner, options: self.options.clone() }
    }
}

impl<S, Req, B> Service<Req> for CloneBody<S>
where
    S: Service<Req, Response = Response<B>>,
{
    type Response = Response<BodySource<B>>;
    type Error = S::Error;
    type Future = CloneBodyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        CloneBodyFuture { call: self.inner.call(request), options: self.options.clone() }
    }
}

impl<F, B, E> Future for CloneBodyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<BodySource<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.call.poll(cx));
        Poll::Ready(response.map(|response| response.map(|body| this.options.apply(BodySource::new(body)))))
    }
}
