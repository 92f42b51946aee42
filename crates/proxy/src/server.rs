//! The listening side: connections of either version of HTTP, and an orderly end.

use std::{
    convert::Infallible,
    error::Error,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

use crate::{
    accepted::Accepted,
    answer::Answer,
    coalesce::ClientAddress,
    compact::compact,
    connection::{serve, serve_if_asked, speaks_http1},
    fields::join_cookies,
    log::Line,
    options::Options,
    pace::Streams,
    socket::Socket,
    upstream::ForClient,
    wire::Wire,
};

/// The most that is read of a head, or held of an answer, for each connection, in bytes.
const BUFFER: usize = 64 << 10;

/// How many connections may wait to be taken in: a herd arrives at once.
pub(crate) const BACKLOG: u32 = 4096;

/// How long a client of HTTP/2 may take to answer a ping.
const PONG: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    /// For connections that may speak either version.
    either: auto::Builder<Streams>,
    /// For those whose first bytes say that they speak HTTP/1.
    http1: http1::Builder,
    quiet: bool,
    key_address: bool,
    /// For requests under way when it stops.
    grace: Duration,
    /// For the head of a request.
    idle: Duration,
}

/// Listens with room for a herd.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the standard library does: an address is free as soon as its last owner has gone.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        let idle = options.idle.into();
        let mut either = auto::Builder::new(Streams { idle });
        either.http1().timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(BUFFER);
        either.http2().timer(TokioTimer::new()).keep_alive_interval(idle).keep_alive_timeout(idle.min(PONG));
        either.http2().max_header_list_size(BUFFER as u32);
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(BUFFER);
        Arc::new(Self {
            either,
            http1,
            quiet: options.quiet,
            key_address: options.key_address,
            grace: options.grace.into(),
            idle,
        })
    }

    /// Serves clients until no more can come. Then it answers what has arrived, and gives what is under way `grace` to
    /// end. It waits for all of `connections`, those that have switched protocols included. Returns the moment when
    /// the grace time is over, which may still lie ahead.
    pub(crate) async fn serve<S, B>(
        self: Arc<Self>,
        mut clients: mpsc::UnboundedReceiver<Accepted>,
        service: S,
        connections: TaskTracker,
    ) -> Instant
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + ForClient
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>> + Send> + Send + 'static,
    {
        let stop = CancellationToken::new();
        while let Some(client) = clients.recv().await {
            let connection = Arc::clone(&self).connection(client, service.clone(), stop.clone(), connections.clone());
            connections.spawn(connection);
        }
        stop.cancel();
        connections.close();
        let until = Instant::now() + self.grace;
        // What does not end in time is cut off with the process.
        let _ = timeout_at(until, connections.wait()).await;
        until
    }

    async fn connection<S, B>(
        self: Arc<Self>,
        client: Accepted,
        service: S,
        stop: CancellationToken,
        connections: TaskTracker,
    ) where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + ForClient
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>> + Send> + Send + 'static,
    {
        let Accepted { stream, address, place } = client;
        // A socket that this thread's runtime cannot take is closed.
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        // If this fails, the socket is slower, but works.
        let _ = stream.set_nodelay(true);
        let Some((stream, http1)) = speaks_http1(stream, self.idle, &stop).await else { return };
        let (quiet, service) = (self.quiet, service.for_client(address.ip()));
        let keyed = self.key_address.then_some(ClientAddress(address.ip()));
        let respond = move |mut request: Request<Incoming>, wire: Option<Arc<Wire>>| {
            if let Some(address) = keyed {
                request.extensions_mut().insert(address);
            }
            let line = (!quiet).then(|| Box::new(Line::new(&request)));
            Answer::new(service.clone().call(request), line, wire)
        };
        let wire = Arc::new(Wire::new(stop));
        let io = TokioIo::new(Socket::new(stream, self.idle, Arc::clone(&wire), place));
        let served = Arc::clone(&wire);
        if http1 {
            let respond = service_fn(move |mut request| {
                wire.asked(&request);
                compact(&mut request);
                respond(request, Some(Arc::clone(&wire)))
            });
            let connection = Box::pin(self.http1.serve_connection(io, respond).with_upgrades());
            // A task of its own, since this one has room for much that is no longer needed.
            connections.spawn(serve(connection, served));
        } else {
            let asked = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&asked);
            let respond = service_fn(move |mut request: Request<Incoming>| {
                flag.store(true, Relaxed);
                // HTTP/1 comes here too, if its first bytes could begin HTTP/2's preface.
                let wire = (request.version() != Version::HTTP_2).then(|| Arc::clone(&wire));
                match &wire {
                    Some(wire) => wire.asked(&request),
                    None => join_cookies(request.headers_mut()),
                }
                respond(request, wire)
            });
            let connection = Box::pin(self.either.serve_connection_with_upgrades(io, respond).into_owned());
            connections.spawn(serve_if_asked(connection, served, asked, self.idle));
        }
    }
}

#[cfg(test)]
mod tests;
