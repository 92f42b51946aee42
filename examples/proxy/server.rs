//! The listening side: connections of either version of HTTP, and an orderly end.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
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
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tower::Service;

use crate::{
    compact::compact,
    connection::{Answer, Patient},
    log::Line,
    options::Options,
};

/// How much of a head is read, and of an answer held, per connection, in bytes.
const BUFFER: usize = 64 << 10;

/// How many connections may wait to be taken in: a herd arrives at once.
const BACKLOG: u32 = 4096;

pub(crate) struct Server {
    builder: auto::Builder<TokioExecutor>,
    quiet: bool,
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
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(BUFFER);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(idle);
        Arc::new(Self { builder, quiet: options.quiet, grace: options.grace.into(), idle })
    }

    /// Serves connections until told to stop, and then those under way for as long as they are given.
    pub(crate) async fn serve<S, B>(self: Arc<Self>, listener: TcpListener, service: S, stop: impl Future<Output = ()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => {
                        tokio::spawn(self.connection(stream, client, service.clone(), &graceful));
                    }
                    // No more files, as a rule: some connection will close.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
                () = &mut stop => break,
            }
        }
        drop(listener);
        // What does not end in time is cut off with the process.
        let _ = timeout(self.grace, graceful.shutdown()).await;
    }

    /// Returns the future of a connection.
    fn connection<S, B>(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        service: S,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + Send + use<S, B>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        // A socket that cannot do without the delay does with it.
        let _ = stream.set_nodelay(true);
        let asked = Arc::new(AtomicBool::new(false));
        let (quiet, flag) = (self.quiet, Arc::clone(&asked));
        let respond = service_fn(move |mut request: Request<Incoming>| {
            flag.store(true, Relaxed);
            if request.version() < Version::HTTP_2 {
                compact(&mut request);
            }
            let line = (!quiet).then(|| Box::new(Line::new(&request)));
            request.extensions_mut().insert(client);
            Answer::new(service.clone().call(request), line)
        });
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), respond).into_owned();
        Patient::new(graceful.watch(connection), asked, self.idle)
    }
}
