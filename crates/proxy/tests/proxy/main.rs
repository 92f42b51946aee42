//! The proxy, over real sockets on the loopback.

mod clients;
mod command_line;
mod content;
mod cuts;
mod failures;
mod fields;
mod fleet;
mod framing;
mod hops;
mod lines;
mod passing;
mod stale;
mod stale_h2;
mod status;
mod stopping;
mod switching;

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use singleflight_proxy::Options;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    task::{JoinHandle, JoinSet, yield_now},
    time::timeout,
};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{HttpGroup, HttpKey},
};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A bound on any test; no test needs it to pass.
const LONG: Duration = Duration::from_secs(60);

/// A proxy under way.
struct Proxy {
    address: SocketAddr,
    /// Of the live page.
    status: Option<SocketAddr>,
    group: HttpGroup,
    /// `None` without coalescing.
    layer: Option<HttpSingleflightLayer>,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Proxy {
    fn options(upstream: SocketAddr, options: &[&str]) -> Options {
        let upstream = format!("http://{upstream}");
        let fixed = ["proxy", "--quiet", "--listen", "127.0.0.1:0", "--upstream", &upstream];
        Options::read(fixed.iter().chain(options).map(|option| option.into())).unwrap()
    }

    fn start(upstream: SocketAddr, options: &[&str]) -> Self {
        // Two: callers of one flight are on different runtimes, whatever the machine.
        Self::under_way(singleflight_proxy::Proxy::start(&Self::options(upstream, options), 2).unwrap())
    }

    async fn start_in_fleet(upstream: SocketAddr, options: &[&str]) -> Self {
        let options = Self::options(upstream, options);
        Self::under_way(singleflight_proxy::Proxy::start_in_fleet(&options, 2).await.unwrap())
    }

    fn under_way(proxy: singleflight_proxy::Proxy) -> Self {
        let (address, status, layer) = (proxy.address(), proxy.status(), proxy.layer());
        let group = layer.as_ref().map_or_else(HttpGroup::new, |layer| layer.get_group().clone());
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(proxy.serve(async { drop(stopped.await) }));
        Self { address, status, group, layer, stop, done }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a connection of their own, and returns all that comes back until it is closed.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn request(&self, path: &str) -> http::request::Builder {
        Request::get(format!("http://{}{path}", self.address))
    }

    /// The key of such a request.
    fn key(&self, path: &str) -> HttpKey {
        let (parts, ()) = self.request(path).body(()).unwrap().into_parts();
        self.layer.as_ref().unwrap().key(&parts).unwrap()
    }
}

/// Starts an origin of either version of HTTP.
async fn origin<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http2().max_header_list_size(1 << 20);
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// An origin that answers with the version, the target and the fields of the request, and its body.
async fn echo() -> SocketAddr {
    origin(|request| async move {
        let (parts, body) = request.into_parts();
        let mut response = Response::new(body.collect().await.unwrap().map_err(|never| match never {}).boxed_unsync());
        *response.headers_mut() = parts
            .headers
            .iter()
            .map(|(name, value)| (format!("seen-{name}").parse().unwrap(), value.clone()))
            .collect();
        let seen = format!("{:?} {} {}", parts.version, parts.method, parts.uri);
        response.headers_mut().insert("seen", seen.parse().unwrap());
        response
    })
    .await
}

/// Starts an origin that tells of each request, and answers one with this text for each permit.
async fn gated(text: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&open);
    let address = origin(move |_| {
        let (arrived, gate) = (arrived.clone(), Arc::clone(&gate));
        async move {
            arrived.send(()).unwrap();
            gate.acquire().await.unwrap().forget();
            Response::new(full(text))
        }
    });
    (address.await, arrivals, open)
}

/// Waits until nobody new is taken in.
async fn closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        yield_now().await;
    }
}

async fn wait_until(mut condition: impl FnMut() -> bool) {
    timeout(LONG, async {
        while !condition() {
            yield_now().await;
        }
    })
    .await
    .unwrap();
}

fn full(text: &'static str) -> Body {
    Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync()
}

fn client(h2: bool) -> Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(h2).http2_max_header_list_size(1 << 20).build_http()
}

async fn ask(h2: bool, request: http::request::Builder, body: &'static str) -> Response<Incoming> {
    let version = if h2 { Version::HTTP_2 } else { Version::HTTP_11 };
    let request = request.version(version).body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
    timeout(LONG, client(h2).request(request)).await.unwrap().unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = timeout(LONG, response.into_body().collect()).await.unwrap().unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

fn seen<'a>(response: &'a Response<Incoming>, name: &str) -> Vec<&'a str> {
    response.headers().get_all(format!("seen-{name}")).iter().map(|value| value.to_str().unwrap()).collect()
}
