//! The listening side: connections of either version, a line per request, an orderly end.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tower::Service;
use tower_singleflight::{HttpSingleflight, HttpSingleflightLayer, Limits, Role, SharedBody};

use crate::{
    options::Options,
    upstream::{Upstream, UpstreamBody},
};

type Coalesced = HttpSingleflight<Upstream>;
type Answer = Response<SharedBody<UpstreamBody>>;

/// The layer as the options say.
pub(crate) fn layer(options: &Options) -> HttpSingleflightLayer {
    let mut limits = Limits::new();
    limits.max_wait = options.max_wait.map(Duration::from);
    let mut layer = HttpSingleflightLayer::new().limits(limits).window(options.window).stall(options.stall.into());
    if options.no_coalesce {
        layer = layer.coalesce_if(|_| false);
    }
    if options.per_credential {
        layer = layer.per_credential();
    }
    if let Some(name) = &options.cache_status {
        layer = layer.cache_status(name);
    }
    if let Some(limit) = options.release_limit {
        layer = layer.release_limit(limit as usize);
    }
    layer
}

pub(crate) struct Server {
    pub(crate) quiet: bool,
    /// For requests under way when it stops.
    pub(crate) grace: Duration,
    /// For the head of a request.
    pub(crate) idle: Duration,
}

impl Server {
    /// Serves connections until told to stop, and then those under way for as long as they are given.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        service: Coalesced,
        stop: impl Future<Output = ()>,
    ) {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => self.connection(stream, client, service.clone(), &graceful),
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

    fn connection(
        self: &Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        service: Coalesced,
        graceful: &GracefulShutdown,
    ) {
        let server = Arc::clone(self);
        // A socket that cannot do without the delay does with it.
        let _ = stream.set_nodelay(true);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.idle);
        builder.http2().timer(TokioTimer::new());
        let respond = service_fn(move |request| server.respond(service.clone(), client, request));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), respond).into_owned();
        let connection = graceful.watch(connection);
        // A client that breaks off is no event.
        tokio::spawn(async { drop(connection.await) });
    }

    fn respond(
        self: &Arc<Self>,
        mut service: Coalesced,
        client: SocketAddr,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Answer, Infallible>> + use<> {
        let quiet = self.quiet;
        let asked = (!quiet).then(|| (Instant::now(), request.method().clone(), request.uri().path().to_owned()));
        request.extensions_mut().insert(client);
        let response = service.call(request);
        async move {
            let response = response.await?;
            if let (Some((start, method, path)), Some(role)) = (asked, response.extensions().get::<Role>()) {
                let millis = start.elapsed().as_secs_f64() * 1e3;
                println!("{method} {path} {} {} {millis:.1} ms", response.status().as_u16(), name(*role));
            }
            Ok(response)
        }
    }
}

fn name(role: Role) -> String {
    match role {
        Role::Leader => "leader".to_owned(),
        Role::Follower => "follower".to_owned(),
        Role::Alone(reason) => format!("alone({reason:?})"),
    }
}
