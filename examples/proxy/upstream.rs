//! The service behind the layer: one request upstream, and an answer whatever happens.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, uri::Scheme};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower::Service;

use crate::{fields, options::Options, upgrade};

/// What comes from upstream, or the line that says why nothing does.
pub(crate) type UpstreamBody = Either<Incoming, Full<Bytes>>;

#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Incoming>,
    uri: Uri,
    version: Version,
    timeout: Duration,
}

impl Upstream {
    pub(crate) fn new(options: &Options) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.connect_timeout.into()));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from(options.idle))
            .http2_only(options.h2)
            .build(connector);
        let version = if options.h2 { Version::HTTP_2 } else { Version::HTTP_11 };
        Self { client, uri: options.upstream.clone(), version, timeout: options.timeout.into() }
    }

    /// Makes the next hop's request of a client's; returns whether it asks for an upgrade.
    fn rewrite(&self, request: &mut Request<Incoming>) -> bool {
        let client = request.extensions().get::<SocketAddr>().copied();
        let authority = request.uri().authority().and_then(|host| HeaderValue::try_from(host.as_str()).ok());
        let host = request.headers().get(header::HOST).cloned().or(authority);
        let version = request.version();
        let mut uri = request.uri().clone().into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = self.uri.authority().cloned();
        uri.path_and_query.get_or_insert(http::uri::PathAndQuery::from_static("/"));
        if let Ok(uri) = Uri::from_parts(uri) {
            *request.uri_mut() = uri;
        }
        *request.version_mut() = self.version;

        let headers = request.headers_mut();
        let protocol =
            fields::end_hop(headers).filter(|_| version == Version::HTTP_11 && self.version == Version::HTTP_11);
        let upgrades = protocol.is_some();
        if let Some(protocol) = protocol {
            fields::upgrade(headers, protocol);
        }
        if let Some(host) = &host {
            headers.insert(header::HOST, host.clone());
        }
        fields::forwarded(headers, client, host);
        fields::via(headers, version);
        upgrades
    }

    async fn answer(self, mut request: Request<Incoming>) -> Response<UpstreamBody> {
        if request.method() == Method::CONNECT {
            return failure(StatusCode::METHOD_NOT_ALLOWED, "this is no forward proxy");
        }
        let upgrades = self.rewrite(&mut request);
        let client = upgrades.then(|| hyper::upgrade::on(&mut request));
        let mut response = match timeout(self.timeout, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                return failure(StatusCode::BAD_GATEWAY, "the upstream cannot be reached");
            }
            Ok(Err(_)) => return failure(StatusCode::BAD_GATEWAY, "the upstream broke off"),
            Err(_) => return failure(StatusCode::GATEWAY_TIMEOUT, "the upstream takes too long"),
        };
        let version = response.version();
        *response.version_mut() = Version::HTTP_11;
        let protocol = fields::end_hop(response.headers_mut());
        if let (Some(client), Some(protocol), StatusCode::SWITCHING_PROTOCOLS) = (client, protocol, response.status()) {
            fields::upgrade(response.headers_mut(), protocol);
            upgrade::join(client, hyper::upgrade::on(&mut response));
        }
        fields::via(response.headers_mut(), version);
        response.map(Either::Left)
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
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

fn failure(status: StatusCode, line: &'static str) -> Response<UpstreamBody> {
    let mut response = Response::new(Either::Right(Full::from(format!("{status}: {line}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
