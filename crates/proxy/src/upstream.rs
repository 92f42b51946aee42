//! The service behind the layer: one request upstream, and an answer whatever happens.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, uri::Authority};
use http_body_util::{Either, Full};
use hyper::{
    body::{Body, Incoming},
    upgrade::OnUpgrade,
};
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_singleflight::http::HttpSingleflight;

use crate::{body::Lively, failure::Failure, fields, forwards, options::Options, sender::Sender, target, upgrade};

/// What comes from upstream, or the line that says why nothing does.
pub(crate) type UpstreamBody = Either<Lively, Full<Bytes>>;

/// What a worker's requests go to. Small, since each request that waits holds one.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    route: Arc<Route>,
    client: Option<Arc<fields::Client>>,
}

/// A service that is told for which client it works. This costs each request less than an extension.
pub(crate) trait ForClient {
    fn for_client(self, client: IpAddr) -> Self;
}

#[derive(Debug)]
struct Route {
    sender: Sender,
    authority: Authority,
    version: Version,
    /// Connections that switch protocols are counted there.
    connections: TaskTracker,
}

impl Upstream {
    /// Returns the upstream of a worker that has these connections.
    pub(crate) fn new(options: &Options, connections: TaskTracker) -> Self {
        let version = if options.h2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let (sender, authority) = (Sender::new(options), options.upstream.0.clone());
        let route = Route { sender, authority, version, connections };
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
    /// Turns a client's request into the next hop's; returns the client's half of an upgrade if it asks for one.
    fn rewrite<B: Body>(
        &self,
        request: &mut Request<B>,
        client: Option<&fields::Client>,
    ) -> Result<Option<OnUpgrade>, Failure> {
        let received = request.version();
        let is_chunked = !request.body().is_end_stream() && request.body().size_hint().exact().is_none();
        let bad = |why| Failure(StatusCode::BAD_REQUEST, why);
        let host = target::host(request).map_err(bad)?;
        target::aim(request, &self.authority).map_err(bad)?;
        *request.version_mut() = self.version;

        let headers = request.headers_mut();
        let mut hop = fields::end_hop(headers);
        if hop.coded {
            return Err(Failure(StatusCode::NOT_IMPLEMENTED, "an unknown transfer coding"));
        }
        if (received, self.version) != (Version::HTTP_11, Version::HTTP_11) {
            hop.upgrade = None;
        }
        let upgrades = hop.upgrade.is_some();
        fields::begin_hop(headers, hop, self.version);
        if is_chunked && self.version == Version::HTTP_11 {
            // Unless told so, hyper sends no content of unknown length with GET and HEAD.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        fields::forwarded(headers, client, host.as_ref());
        fields::via(headers, received);
        match host {
            Some(host) if self.version == Version::HTTP_11 => headers.insert(header::HOST, host),
            // RFC 9113, section 8.3.1: the client's host would disagree with the upstream's own `:authority`.
            _ => headers.remove(header::HOST),
        };
        Ok(upgrades.then(|| hyper::upgrade::on(request)))
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: Option<&fields::Client>,
    ) -> Result<Response<UpstreamBody>, Failure> {
        if request.method() == Method::CONNECT {
            return Err(Failure(StatusCode::NOT_IMPLEMENTED, "this proxy opens no tunnels"));
        }
        if let Some(answer) = forwards::count(&mut request)? {
            return Ok(answer.map(Either::Right));
        }
        let received = request.version();
        let upgrade = self.rewrite(&mut request, client)?;
        let is_head = request.method() == Method::HEAD;
        let mut response = self.sender.send(request, received, upgrade.is_some()).await?;
        let answered = std::mem::replace(response.version_mut(), Version::HTTP_11);
        let mut hop = fields::end_hop(response.headers_mut());
        hop.trailers = false;
        if hop.coded && !is_head {
            return Err(Failure(StatusCode::BAD_GATEWAY, "the upstream uses an unknown transfer coding"));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(upgrade), Some(_)) = (upgrade, &hop.upgrade) else {
                return Err(Failure(StatusCode::BAD_GATEWAY, "the upstream switches protocols unasked"));
            };
            fields::begin_hop(response.headers_mut(), hop, Version::HTTP_11);
            upgrade::join(&self.connections, upgrade, hyper::upgrade::on(&mut response));
        }
        fields::via(response.headers_mut(), answered);
        Ok(response.map(Either::Left))
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
        Box::pin(async move {
            let method = request.method().clone();
            let answer = route.answer(request, client.as_deref()).await;
            Ok(answer.unwrap_or_else(|failure| failure.into_response(&method).map(Either::Right)))
        })
    }
}
