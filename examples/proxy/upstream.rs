//! The service behind the layer: one request upstream, and an answer whatever happens.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::IpAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, uri::Authority};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{sleep, timeout};
use tower::Service;
use tower_singleflight::HttpSingleflight;

use crate::{
    body::{Flagged, Lively},
    fields,
    options::Options,
    target, upgrade,
};

/// What comes from upstream, or the line that says why nothing does.
pub(crate) type UpstreamBody = Either<Lively, Full<Bytes>>;

/// Small, since each request that waits holds one.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    route: Arc<Route>,
    client: Option<Arc<fields::Client>>,
}

/// A service that is told for whom it works: less for each request than an extension takes.
pub(crate) trait ForClient {
    fn for_client(self, client: IpAddr) -> Self;
}

#[derive(Debug)]
struct Route {
    client: Client<HttpConnector, Flagged>,
    authority: Authority,
    version: Version,
    /// For the head of the answer.
    timeout: Duration,
    /// Between two frames of a body.
    idle: Duration,
}

/// Why there is no answer from upstream.
struct Failure(StatusCode, &'static str);

impl Upstream {
    pub(crate) fn new(options: &Options) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.connect_timeout.into()));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from(options.idle))
            .http2_only(options.h2)
            .build(connector);
        let version = if options.h2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let (timeout, idle) = (options.timeout.into(), options.idle.into());
        let route = Route { client, authority: options.upstream.0.clone(), version, timeout, idle };
        Self { route: Arc::new(route), client: None }
    }
}

impl ForClient for Upstream {
    fn for_client(self, client: IpAddr) -> Self {
        Self { client: Some(Arc::new(fields::Client::new(client))), ..self }
    }
}

impl<S: ForClient + Clone> ForClient for HttpSingleflight<S> {
    fn for_client(mut self, client: IpAddr) -> Self {
        *self.get_mut() = self.get_ref().clone().for_client(client);
        self
    }
}

impl Route {
    /// Makes the next hop's request of a client's; returns the client's half of an upgrade if it asks for one.
    fn rewrite<B>(
        &self,
        request: &mut Request<B>,
        client: Option<&fields::Client>,
    ) -> Result<Option<OnUpgrade>, Failure> {
        let received = request.version();
        let host = target::host(request).map_err(|why| Failure(StatusCode::BAD_REQUEST, why))?;
        target::aim(request, &self.authority);
        *request.version_mut() = self.version;

        let headers = request.headers_mut();
        let mut hop = fields::end_hop(headers);
        if (received, self.version) != (Version::HTTP_11, Version::HTTP_11) {
            hop.upgrade = None;
        }
        let upgrades = hop.upgrade.is_some();
        fields::begin_hop(headers, hop, self.version);
        fields::forwarded(headers, client, host.as_ref());
        fields::via(headers, received);
        match host {
            Some(host) if self.version == Version::HTTP_11 => headers.insert(header::HOST, host),
            // RFC 9113, section 8.3.1: it would disagree with the upstream's own `:authority`.
            _ => headers.remove(header::HOST),
        };
        Ok(upgrades.then(|| hyper::upgrade::on(request)))
    }

    /// Sends a request, and waits for the head of its answer: for so long from when the request has been sent, which
    /// may itself take its time as long as it moves.
    async fn send(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Failure> {
        let (parts, body) = request.into_parts();
        let (body, progress) = Flagged::new(body);
        let mut answer = pin!(self.client.request(Request::from_parts(parts, body)));
        if let Some(mut progress) = progress {
            loop {
                tokio::select! {
                    answer = answer.as_mut() => return answer.map_err(Failure::from),
                    _ = &mut progress.sent => break,
                    () = sleep(self.idle) => if !progress.moved() {
                        return Err(Failure(StatusCode::GATEWAY_TIMEOUT, "the request stands still"));
                    }
                }
            }
        }
        match timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure(StatusCode::GATEWAY_TIMEOUT, "the upstream takes too long")),
        }
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: Option<&fields::Client>,
    ) -> Result<Response<UpstreamBody>, Failure> {
        if request.method() == Method::CONNECT {
            return Err(Failure(StatusCode::NOT_IMPLEMENTED, "this proxy opens no tunnels"));
        }
        let upgrade = self.rewrite(&mut request, client)?;
        let mut response = self.send(request).await?;
        let received = std::mem::replace(response.version_mut(), Version::HTTP_11);
        let mut hop = fields::end_hop(response.headers_mut());
        hop.trailers = false;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(upgrade), Some(_)) = (upgrade, &hop.upgrade) else {
                return Err(Failure(StatusCode::BAD_GATEWAY, "the upstream switches protocols unasked"));
            };
            fields::begin_hop(response.headers_mut(), hop, Version::HTTP_11);
            upgrade::join(upgrade, hyper::upgrade::on(&mut response));
        }
        fields::via(response.headers_mut(), received);
        Ok(response.map(|body| Either::Left(Lively::new(body, self.idle))))
    }
}

impl Service<Request<Incoming>> for Upstream {
    type Response = Response<UpstreamBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let Self { route, client } = self.clone();
        Box::pin(
            async move { Ok(route.answer(request, client.as_deref()).await.unwrap_or_else(Failure::into_response)) },
        )
    }
}

impl Failure {
    fn into_response(self) -> Response<UpstreamBody> {
        let Self(status, why) = self;
        let mut response = Response::new(Either::Right(Full::from(format!("{status}: {why}\n"))));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        let mut sources = std::iter::successors(error.source(), |error| (*error).source());
        let io = sources.find_map(|error| error.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) if error.is_connect() => {
                Self(StatusCode::GATEWAY_TIMEOUT, "the upstream does not take connections in time")
            }
            _ if error.is_connect() => Self(StatusCode::BAD_GATEWAY, "the upstream cannot be reached"),
            _ => Self(StatusCode::BAD_GATEWAY, "the upstream broke off"),
        }
    }
}
