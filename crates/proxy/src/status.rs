//! The live page, on a port of its own.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::TryFutureExt;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tower_singleflight::http::StatusPage;

use crate::{options::Options, server::listen, socket::Socket, wire::Wire};

/// How many connections there are at a time: a browser has one or two.
const PLACES: usize = 128;

/// How long a client may read nothing, or take to send the head of a request.
const IDLE: Duration = Duration::from_secs(10);

/// The live page, with the listener for it.
pub(crate) struct Status {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    page: StatusPage,
}

impl Status {
    pub(crate) fn start(address: SocketAddr, options: &Options, page: StatusPage) -> io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, page: page.only_hosts(options.status_host.iter().cloned()) })
    }

    /// Shows the page for ever; dropping this cuts off everybody who looks at it.
    pub(crate) async fn serve(self) {
        let places = Arc::new(Semaphore::new(PLACES));
        let mut open = JoinSet::new();
        loop {
            // Never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => drop(open.spawn(connection(stream, self.page.clone(), place))),
                // As a rule there are no more files.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
            while open.try_join_next().is_some() {}
        }
    }
}

async fn connection(stream: TcpStream, page: StatusPage, place: OwnedSemaphorePermit) {
    let wire = Arc::new(Wire::new(CancellationToken::new()));
    let io = TokioIo::new(Socket::new(stream, IDLE, Arc::clone(&wire), place));
    let answer = service_fn(move |request: Request<Incoming>| {
        wire.asked(&request);
        page.clone().call(request).map_ok(refused_closes)
    });
    // An error means that the browser broke off; nobody needs to hear of it.
    let _ = http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(IDLE).serve_connection(io, answer).await;
}

/// Closes the connection of a client that is turned away: else it would hold a place until it has been idle.
fn refused_closes<B>(mut response: Response<B>) -> Response<B> {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
