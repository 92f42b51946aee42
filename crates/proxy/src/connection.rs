//! One client's connection: what it speaks, how long it may be silent, how it ends.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use hyper::{
    body::{Body, Incoming},
    rt::{Read, Write},
    server::conn::http1,
    service::HttpService,
};
use hyper_util::server::conn::auto::{self, HttpServerConnExec};
use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{pace::Streams, wire::Wire};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Looks at a connection's first bytes without taking them, and returns whether they begin HTTP/1; `false`: perhaps
/// HTTP/2. `None`: nothing came in time, or nothing had come when the proxy stopped.
///
/// hyper-util tells the versions apart too, but takes the bytes. When it hands them back, hyper grows its buffer to 16
/// KiB, for each client.
pub(crate) async fn speaks_http1(
    stream: TcpStream,
    idle: Duration,
    stop: &CancellationToken,
) -> Option<(TcpStream, bool)> {
    let mut bytes = [0; PREFACE.len()];
    let come = tokio::select! {
        biased;
        read = timeout(idle, stream.peek(&mut bytes)) => Some(read.ok()?.ok()?),
        () = stop.cancelled() => None,
    };
    let (stream, count) = match come {
        Some(count) => (stream, count),
        None => {
            // The runtime may not have been told yet of what has come; the system knows.
            let stream = stream.into_std().ok()?;
            let count = stream.peek(&mut bytes).ok()?;
            (TcpStream::from_std(stream).ok()?, count)
        }
    };
    (count > 0).then(|| (stream, !PREFACE.starts_with(&bytes[..count])))
}

/// A connection that can be told to end with what is under way.
///
/// hyper-util's own graceful shutdown does not accept a plain HTTP/1 connection with upgrades.
pub(crate) trait Graceful: Future {
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<I, S, B> Graceful for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<BoxError>>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Graceful for auto::UpgradeableConnection<'static, I, S, Streams>
where
    S: hyper::service::Service<
            http::Request<Incoming>,
            Response = http::Response<B>,
            Error: Into<BoxError>,
            Future: 'static,
        >,
    I: Read + Write + Unpin + Send + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
    Streams: HttpServerConnExec<S::Future, B>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves a connection to its end. Once the proxy stops, it ends when the requests that had arrived are answered.
///
/// The connection is boxed, since an async block would keep room for it twice. The rest is small, since a task takes a
/// multiple of 128 bytes for each client.
pub(crate) async fn serve<C: Graceful>(mut connection: Pin<Box<C>>, wire: Arc<Wire>) {
    tokio::select! {
        biased;
        // An error means that the client broke off; nobody needs to hear of it.
        _ = connection.as_mut() => return,
        () = wire.stop.cancelled() => wire.read_at_once(),
    }
    // hyper's shutdown drops a request that lies in the socket or has come in part, so hyper reads on first.
    let ended = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Pending if wire.has_begun() => Poll::Pending,
        polled => Poll::Ready(polled.is_ready()),
    });
    if !ended.await {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Serves a connection, and gives it up if no request comes within `idle`. hyper's own timer starts when the version is
/// known, which never happens if a client sends only half of HTTP/2's preface.
pub(crate) async fn serve_if_asked<C: Graceful>(
    connection: Pin<Box<C>>,
    wire: Arc<Wire>,
    asked: Arc<AtomicBool>,
    idle: Duration,
) {
    let mut served = pin!(serve(connection, wire));
    if timeout(idle, served.as_mut()).await.is_err() && asked.load(Relaxed) {
        served.await;
    }
}
