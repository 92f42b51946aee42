//! Sends requests to the upstream, on kept connections, within their time.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, Version, request};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{HttpConnector, capture_connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tower::util::MapResponse;

use crate::{
    body::Lively,
    failure::Failure,
    fields,
    flagged::Flagged,
    link::{self, Link, Linked},
    options::Options,
    socket::probe_after,
};

/// How many fields an HTTP/1 answer may have. hyper's limit is 100; a larger answer would become a 502 that the
/// upstream did not send.
const FIELDS: usize = 1000;

/// How large the head of an HTTP/2 answer may be, in bytes: about as large as hyper lets that of HTTP/1 be. hyper's
/// default here is 16 KiB.
const HEAD: u32 = 400 << 10;

type Connector = MapResponse<HttpConnector, fn(TokioIo<TcpStream>) -> TokioIo<Linked>>;

/// The way to the upstream.
#[derive(Debug)]
pub(crate) struct Sender {
    client: Client<Connector, Flagged>,
    /// Keeps no connection, so that each request has one of its own.
    fresh: Client<Connector, Flagged>,
    /// For the head of the answer.
    timeout: Duration,
    /// Between two frames of a body.
    idle: Duration,
}

impl Sender {
    pub(crate) fn new(options: &Options) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.connect_timeout.into()));
        // For connections that switch protocols, on which an upstream may be silent for as long as it likes.
        connector.set_keepalive(Some(probe_after(options.idle.into())));
        let linked: fn(TokioIo<TcpStream>) -> TokioIo<Linked> = Linked::new;
        let connector = MapResponse::new(connector, linked);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from(options.idle))
            .http1_max_headers(FIELDS)
            // RFC 9112, sections 5.1 and 5.2: a proxy removes spaces before a colon, and makes a folded line one line.
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http2_max_header_list_size(HEAD)
            .http2_only(options.h2);
        let client = builder.build(connector.clone());
        let fresh = builder.pool_max_idle_per_host(0).build(connector);
        Self { client, fresh, timeout: options.timeout.into(), idle: options.idle.into() }
    }

    /// Sends a request, which has been received in that version, and waits for the head of its answer. The time for the
    /// head runs once the request has been sent. Sending may take as long as it likes while it moves.
    ///
    /// A request whose connection turns out to be closed is sent again, once and on a new connection, if that does no
    /// harm: its method is idempotent (RFC 9110, section 9.2.2), and it has no content. An upgrade is not sent again:
    /// its client waits for this very request.
    pub(crate) async fn send(
        &self,
        request: Request<Incoming>,
        received: Version,
        upgrades: bool,
    ) -> Result<Response<Lively>, Failure> {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            let sent = async {
                if is_idempotent(&parts.method) && !upgrades {
                    self.send_twice(parts).await
                } else {
                    self.send_once(parts, Flagged::empty()).await.map_err(|(error, _)| error)
                }
            };
            return Ok(self.lively(self.in_time(sent).await?));
        }
        let (body, mut progress) = Flagged::new(body, received);
        let mut answer = pin!(self.send_once(parts, body));
        let answer = loop {
            tokio::select! {
                answer = answer.as_mut() => break answer.map_err(|(error, _)| Failure::from(error)),
                _ = &mut progress.sent => {
                    break self.in_time(async { answer.as_mut().await.map_err(|(error, _)| error) }).await;
                }
                () = sleep(self.idle) => if !progress.moved() {
                    return Err(Failure(StatusCode::GATEWAY_TIMEOUT, "the request stands still"));
                }
            }
        };
        let answer = answer.map_err(|failure| {
            if progress.failed() { Failure(StatusCode::BAD_REQUEST, "the request broke off") } else { failure }
        });
        let answer = self.lively(answer?);
        if progress.is_sent() {
            return Ok(answer);
        }
        Ok(answer.map(|body| {
            let (body, ended) = body.tells();
            tokio::spawn(progress.watch(ended, self.idle));
            body
        }))
    }

    fn lively(&self, answer: Response<Incoming>) -> Response<Lively> {
        let version = answer.version();
        answer.map(|body| Lively::new(body, version, self.idle))
    }

    async fn in_time(
        &self,
        sent: impl Future<Output = Result<Response<Incoming>, legacy::Error>>,
    ) -> Result<Response<Incoming>, Failure> {
        match timeout(self.timeout, sent).await {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure(StatusCode::GATEWAY_TIMEOUT, "the upstream takes too long")),
        }
    }

    async fn send_twice(&self, parts: request::Parts) -> Result<Response<Incoming>, legacy::Error> {
        let again = Request::from_parts(parts.clone(), Flagged::empty());
        match self.send_once(parts, Flagged::empty()).await {
            Ok(answer) => Ok(answer),
            Err((_, true)) => self.fresh.request(again).await,
            Err((error, false)) => Err(error),
        }
    }

    /// Sends a request once; an error says too whether a kept connection was the reason.
    async fn send_once(
        &self,
        parts: request::Parts,
        body: Flagged,
    ) -> Result<Response<Incoming>, (legacy::Error, bool)> {
        let mut request = Request::from_parts(parts, body);
        let (asked, connection) = (Instant::now(), capture_connection(&mut request));
        let answer = self.client.request(request).await;
        let link = Link::of(&connection);
        let mut answer = answer.map_err(|error| {
            let stale = link.as_ref().is_some_and(|link| link.was_stale(asked, &error));
            (error, stale)
        })?;
        answer.extensions_mut().remove::<Arc<Link>>();
        if let Some(link) = &link {
            link.answered();
        }
        // hyper would speak HTTP/1.0 from now on, and leave out content of unknown length: there are no chunks then.
        if answer.version() == Version::HTTP_10 {
            link::unfit(&connection);
            return Ok(answer);
        }
        // This counts from the head, the upstream from the end of its answer: so this time is over first.
        let kept = fields::keep_alive(answer.headers()).filter(|time| *time < self.idle);
        if let (Some(link), Some(time)) = (link, kept) {
            link.keep_until(Instant::now() + time - margin(time), connection);
        }
        Ok(answer)
    }
}

/// How long before the announced time a connection is given up: the next request takes a while to arrive.
fn margin(time: Duration) -> Duration {
    (time / 2).min(Duration::from_secs(1))
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE].contains(method)
}
