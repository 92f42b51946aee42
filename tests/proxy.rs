//! The example proxy, over real sockets on the loopback.

#[path = "../examples/proxy/answer.rs"]
mod answer;
#[path = "../examples/proxy/body.rs"]
mod body;
#[path = "../examples/proxy/coalesce.rs"]
mod coalesce;
#[path = "../examples/proxy/compact.rs"]
mod compact;
#[path = "../examples/proxy/connection.rs"]
mod connection;
#[path = "../examples/proxy/fields.rs"]
mod fields;
#[path = "../examples/proxy/log.rs"]
mod log;
#[path = "../examples/proxy/options.rs"]
mod options;
#[path = "../examples/proxy/server.rs"]
mod server;
#[path = "../examples/proxy/target.rs"]
mod target;
#[path = "../examples/proxy/upgrade.rs"]
mod upgrade;
#[path = "../examples/proxy/upstream.rs"]
mod upstream;
#[path = "../examples/proxy/worker.rs"]
mod worker;

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
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
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    task::{JoinHandle, JoinSet, yield_now},
    time::timeout,
};
use tower_singleflight::{HttpGroup, HttpKey};

use crate::{options::Options, worker::Workers};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A bound on any test; no test needs it to pass.
const LONG: Duration = Duration::from_secs(60);

/// A proxy under way.
struct Proxy {
    address: SocketAddr,
    group: HttpGroup,
    options: Options,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Proxy {
    fn start(upstream: SocketAddr, options: &[&str]) -> Self {
        let upstream = format!("http://{upstream}");
        let fixed = ["proxy", "--quiet", "--listen", "127.0.0.1:0", "--upstream", &upstream];
        let options = Options::read(fixed.iter().chain(options).map(|option| option.into())).unwrap();
        let listener = server::listen(options.listen).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let group = HttpGroup::new();
        let layer = coalesce::layer(&options).map(|layer| layer.group(group.clone()));
        // Two: callers of one flight are on different runtimes, whatever the machine.
        let workers = Workers::start(&options, layer.as_ref(), 2).unwrap();
        let done = tokio::spawn(workers.serve(listener, stopped));
        Self { address, group, options, stop, done }
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
        coalesce::layer(&self.options).unwrap().key(&parts).unwrap()
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
                let builder = auto::Builder::new(TokioExecutor::new());
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

async fn wait_until(condition: impl Fn() -> bool) {
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
    Client::builder(TokioExecutor::new()).http2_only(h2).build_http()
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

#[tokio::test]
async fn both_versions_of_http_go_through_on_either_side() {
    let origin = echo().await;
    for upstream_h2 in [false, true] {
        for coalesce in [true, false] {
            let options = [("--h2", upstream_h2), ("--no-coalesce", !coalesce)];
            let options: Vec<_> = options.iter().filter(|option| option.1).map(|option| option.0).collect();
            let proxy = Proxy::start(origin, &options);
            for client_h2 in [false, true] {
                let posted = ask(client_h2, proxy.request("/a/b?c=d").method("POST"), "content").await;
                let version = if upstream_h2 { "HTTP/2.0 POST" } else { "HTTP/1.1 POST" };
                let target = if upstream_h2 { format!("http://{origin}/a/b?c=d") } else { "/a/b?c=d".to_owned() };
                assert_eq!(posted.headers()["seen"], format!("{version} {target}"));
                let via = if client_h2 { "2.0 singleflight" } else { "1.1 singleflight" };
                assert_eq!(seen(&posted, "via"), [via]);
                assert_eq!(
                    posted.headers()[header::VIA],
                    if upstream_h2 { "2.0 singleflight" } else { "1.1 singleflight" }
                );
                assert_eq!(text(posted).await, "content");

                let got = ask(client_h2, proxy.request("/"), "").await;
                assert_eq!(got.status(), StatusCode::OK);
                assert_eq!(text(got).await, "");
            }
        }
    }
}

#[tokio::test]
async fn equal_requests_of_both_versions_are_one_upstream() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let origin = {
        let open = Arc::clone(&open);
        origin(move |_| {
            let (arrived, open) = (arrived.clone(), Arc::clone(&open));
            async move {
                arrived.send(()).unwrap();
                open.acquire().await.unwrap().forget();
                Response::new(full("rates"))
            }
        })
        .await
    };
    let proxy = Proxy::start(origin, &["--cache-status", "proxy"]);
    let mut asked = JoinSet::new();
    for n in 0..21 {
        asked.spawn(ask(n % 2 == 0, proxy.request("/rates"), ""));
    }
    arrivals.recv().await.unwrap();
    let key = proxy.key("/rates");
    wait_until(|| proxy.group.callers(&key) == 21).await;
    open.add_permits(1);
    let mut followed = 0;
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        let status = answer.headers()["cache-status"].to_str().unwrap();
        followed += usize::from(status.ends_with("; collapsed"));
        assert_eq!(text(answer).await, "rates");
    }
    assert_eq!(followed, 20);
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn a_chunk_goes_through_before_the_next_one_is_made() {
    let (chunks, made) = mpsc::unbounded_channel::<Frame<Bytes>>();
    let made = Arc::new(std::sync::Mutex::new(Some(made)));
    let origin = origin(move |_| {
        let made = made.lock().unwrap().take().unwrap();
        let frames = futures_util::stream::unfold(made, |mut made| async {
            made.recv().await.map(|frame| (Ok::<_, Infallible>(frame), made))
        });
        async { Response::new(BodyExt::boxed_unsync(StreamBody::new(frames))) }
    })
    .await;
    let proxy = Proxy::start(origin, &[]);
    let mut body = ask(false, proxy.request("/stream"), "").await.into_body();
    for chunk in ["one", "two", "three"] {
        chunks.send(Frame::data(Bytes::from_static(chunk.as_bytes()))).unwrap();
        let frame = timeout(LONG, body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), chunk);
    }
    drop(chunks);
    assert!(timeout(LONG, body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_request_is_streamed_too() {
    let origin = origin(|mut request| async move {
        let first = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        Response::new(Full::new(first).boxed_unsync())
    })
    .await;
    let proxy = Proxy::start(origin, &[]);
    let mut stream = proxy.connect().await;
    // The second half never comes.
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
    let mut answer = [0; 12];
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn an_upgraded_connection_runs_both_ways() {
    let origin = origin(|mut request| async move {
        assert_eq!(request.headers()[header::UPGRADE], "echo");
        assert_eq!(request.headers()[header::CONNECTION], "upgrade");
        tokio::spawn(async move {
            let mut upgraded = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
            let (mut reader, mut writer) = tokio::io::split(&mut upgraded);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let switching = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        switching
            .header(header::UPGRADE, "echo")
            .header(header::CONNECTION, "upgrade")
            .body(Empty::new().boxed_unsync())
            .unwrap()
    })
    .await;
    for options in [&[][..], &["--no-coalesce"]] {
        let proxy = Proxy::start(origin, options);
        let request = proxy.request("/chat").header(header::UPGRADE, "echo").header(header::CONNECTION, "Upgrade");
        let response = ask(false, request, "").await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()[header::UPGRADE], "echo");
        let mut upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        for message in ["hello", "again"] {
            upgraded.write_all(message.as_bytes()).await.unwrap();
            let mut echoed = [0; 5];
            timeout(LONG, upgraded.read_exact(&mut echoed)).await.unwrap().unwrap();
            assert_eq!(echoed, message.as_bytes());
        }
        upgraded.shutdown().await.unwrap();
        assert_eq!(timeout(LONG, upgraded.read(&mut [0])).await.unwrap().unwrap(), 0, "the end comes back too");
    }
}

#[tokio::test]
async fn no_client_is_handed_an_h2c_connection() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &[]);
    let request = proxy.request("/").header(header::UPGRADE, "websocket, h2c").header(header::CONNECTION, "upgrade");
    let response = ask(false, request, "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(seen(&response, "upgrade").is_empty() && seen(&response, "connection").is_empty());
}

#[tokio::test]
async fn what_belongs_to_one_hop_ends_there() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &[]);
    let request = proxy
        .request("/")
        .header(header::CONNECTION, "keep-alive, X-One")
        .header(header::CONNECTION, "x-two")
        .header("x-one", "1")
        .header("x-two", "2")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header(header::TE, "gzip;q=0.5, trailers")
        .header(header::UPGRADE, "not-asked-for")
        .header(header::HOST, "shop.example")
        .header("x-forwarded-for", "192.0.2.1")
        .header(header::FORWARDED, "for=192.0.2.1")
        .header("x-end-to-end", "stays");
    let response = ask(false, request, "").await;
    for gone in ["x-one", "x-two", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(seen(&response, gone).is_empty(), "{gone}");
    }
    assert_eq!(seen(&response, "te"), ["trailers"]);
    assert_eq!(seen(&response, "connection"), ["te"]);
    assert_eq!(seen(&response, "host"), ["shop.example"]);
    assert_eq!(seen(&response, "x-end-to-end"), ["stays"]);
    assert_eq!(seen(&response, "x-forwarded-for"), ["192.0.2.1", "127.0.0.1"]);
    assert_eq!(seen(&response, "forwarded"), ["for=192.0.2.1", "for=127.0.0.1;proto=http"]);
    assert_eq!(seen(&response, "x-forwarded-host"), ["shop.example"]);
    assert_eq!(seen(&response, "x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn an_answers_own_hop_ends_too() {
    let origin = origin(|_| async {
        let response = Response::builder().header(header::CONNECTION, "x-mine").header("x-mine", "1");
        response.header("keep-alive", "timeout=5").header("x-end-to-end", "stays").body(full("body")).unwrap()
    })
    .await;
    for h2 in [false, true] {
        let response = ask(h2, Proxy::start(origin, &[]).request("/"), "").await;
        assert_eq!(response.headers()["x-end-to-end"], "stays");
        for gone in ["connection", "keep-alive", "x-mine"] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
    }
}

#[tokio::test]
async fn a_host_that_two_servers_could_read_two_ways_is_refused() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &[]);
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a@b\r\n", "Host: a b\r\n"] {
        let answer = proxy.raw(&format!("GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts}: {answer}");
    }
    let answer = proxy.raw("GET http://real/x HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("seen-host: real\r\n"), "{answer}");
    let answer = proxy.raw("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("seen: HTTP/1.1 OPTIONS *\r\n"), "{answer}");
    let answer = proxy.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn a_dead_upstream_is_502_in_one_line() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for options in [&[][..], &["--no-coalesce"], &["--h2"]] {
        let response = ask(false, Proxy::start(dead, options).request("/"), "").await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain");
        let body = text(response).await;
        assert_eq!(body.lines().count(), 1, "{body}");
        assert!(body.ends_with('\n'));
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_502_before_the_head_and_a_cut_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4];
            stream.read_exact(&mut head).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // Until the other side has seen it: closing with bytes unread would reset the connection.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    let proxy = Proxy::start(address, &[]);
    assert_eq!(ask(false, proxy.request("/"), "").await.status(), StatusCode::BAD_GATEWAY);
    let response = ask(false, proxy.request("/"), "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(timeout(LONG, response.into_body().collect()).await.unwrap().is_err());
}

#[tokio::test]
async fn an_upstream_without_an_answer_is_504() {
    let origin = origin(|_| std::future::pending()).await;
    for options in [&["--timeout", "20"][..], &["--timeout", "20", "--no-coalesce"]] {
        let response = ask(false, Proxy::start(origin, options).request("/"), "").await;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(text(response).await.lines().count(), 1);
    }
}

#[tokio::test]
async fn a_client_that_takes_its_time_is_not_the_upstreams_fault() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &["--timeout", "2000"]);
    let mut stream = proxy.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
    let mut answer = [0; 12];
    // Longer than the upstream may take for an answer: nothing comes.
    assert!(timeout(Duration::from_millis(2500), stream.read(&mut answer)).await.is_err());
    stream.write_all(b"half").await.unwrap();
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_cut() {
    let origin = origin(|_| async {
        let frames = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"half")))]);
        let frames = futures_util::StreamExt::chain(frames, futures_util::stream::pending());
        Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
    })
    .await;
    let mut body = ask(false, Proxy::start(origin, &["--idle", "50"]).request("/"), "").await.into_body();
    assert_eq!(timeout(LONG, body.frame()).await.unwrap().unwrap().unwrap().into_data().unwrap(), "half");
    assert!(timeout(LONG, body.frame()).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_never_asks_is_sent_away() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &["--idle", "50"]);
    // Half a head, nothing at all, and half of HTTP/2's preface.
    for beginning in ["GET / HT", "", "PRI * H"] {
        proxy.raw(beginning).await;
    }
}

#[tokio::test]
async fn who_has_gone_is_not_asked_for_upstream() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let origin = origin(move |_| {
        // Closed when the origin's connection has been given up.
        let (alive, gone) = oneshot::channel::<()>();
        arrived.send(gone).unwrap();
        async move {
            let _alive = alive;
            std::future::pending().await
        }
    })
    .await;
    let proxy = Proxy::start(origin, &[]);
    let asked = tokio::spawn(ask(false, proxy.request("/slow"), ""));
    let gone = arrivals.recv().await.unwrap();
    asked.abort();
    assert!(timeout(LONG, gone).await.unwrap().is_err());
}

#[tokio::test]
async fn what_is_under_way_ends_well_when_the_proxy_stops() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let origin = {
        let open = Arc::clone(&open);
        origin(move |_| {
            let (arrived, open) = (arrived.clone(), Arc::clone(&open));
            async move {
                arrived.send(()).unwrap();
                open.acquire().await.unwrap().forget();
                Response::new(full("in the end"))
            }
        })
        .await
    };
    for h2 in [false, true] {
        let proxy = Proxy::start(origin, &["--grace", "600000", "--idle", "600000"]);
        // One asks for nothing, one has had its answer: they hold nothing up.
        let silent = proxy.connect().await;
        let mut idle = proxy.connect().await;
        idle.write_all(b"HEAD /first HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        arrivals.recv().await.unwrap();
        open.add_permits(1);
        assert_ne!(timeout(LONG, idle.read(&mut [0; 1024])).await.unwrap().unwrap(), 0);
        let asked = tokio::spawn(ask(h2, proxy.request("/"), ""));
        arrivals.recv().await.unwrap();
        proxy.stop.send(()).unwrap();
        // The listener goes first: then nobody new is taken in.
        while TcpStream::connect(proxy.address).await.is_ok() {
            yield_now().await;
        }
        assert!(!proxy.done.is_finished());
        open.add_permits(1);
        assert_eq!(text(asked.await.unwrap()).await, "in the end");
        timeout(LONG, proxy.done).await.unwrap().unwrap();
        drop((silent, idle));
    }
}

#[tokio::test]
async fn a_worker_without_clients_stays_for_those_of_others() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let origin = {
        let open = Arc::clone(&open);
        origin(move |_| {
            let (arrived, open) = (arrived.clone(), Arc::clone(&open));
            async move {
                arrived.send(()).unwrap();
                open.acquire().await.unwrap().forget();
                Response::new(full("in the end"))
            }
        })
        .await
    };
    let proxy = Proxy::start(origin, &["--grace", "600000"]);
    let key = proxy.key("/");
    let leader = tokio::spawn(ask(false, proxy.request("/"), ""));
    arrivals.recv().await.unwrap();
    let follower = tokio::spawn(ask(false, proxy.request("/"), ""));
    wait_until(|| proxy.group.callers(&key) == 2).await;
    leader.abort();
    wait_until(|| proxy.group.callers(&key) == 1).await;
    proxy.stop.send(()).unwrap();
    while TcpStream::connect(proxy.address).await.is_ok() {
        yield_now().await;
    }
    open.add_permits(1);
    assert_eq!(text(follower.await.unwrap()).await, "in the end");
    timeout(LONG, proxy.done).await.unwrap().unwrap();
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn what_does_not_end_in_its_grace_does_not_hold_the_end_up() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let origin = origin(move |_| {
        arrived.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let proxy = Proxy::start(origin, &["--grace", "20"]);
    let _asked = tokio::spawn(ask(false, proxy.request("/"), ""));
    arrivals.recv().await.unwrap();
    proxy.stop.send(()).unwrap();
    timeout(LONG, proxy.done).await.unwrap().unwrap();
}

#[test]
fn a_request_that_lets_go_of_its_buffer_says_the_same() {
    for target in ["/", "/a?b=c", "*", "http://h:1/a?b", "/?"] {
        let request = Request::get(target).header("host", "h").header("x", "1").header("x", "").header("x", "3");
        let request = request.header("y", HeaderValue::from_bytes(b"\xff").unwrap()).body(()).unwrap();
        let mut copy = request.clone();
        compact::compact(&mut copy);
        assert_eq!((copy.uri().to_string(), copy.headers()), (request.uri().to_string(), request.headers()));
        let buffers = |request: &Request<()>| request.headers()["host"].as_bytes().as_ptr();
        assert_ne!(buffers(&copy), buffers(&request));
    }
}

#[test]
fn a_bad_option_is_one_line() {
    let upstream = ["--upstream", "http://127.0.0.1:9"];
    let bad: [&[&str]; 16] = [
        &[],
        &["--upstream", "https://127.0.0.1:9"],
        &["--upstream", "127.0.0.1:9"],
        &["--upstream", "http://"],
        &["--upstream", "http://a:99999"],
        &["--upstream", "http://a:"],
        &["--upstream", "http://a/path"],
        &["--upstream", "http://u:p@a"],
        &["--upstream", "http://127.0.0.1:8080"],
        &[upstream[0], upstream[1], "--listen", "nowhere"],
        &[upstream[0], upstream[1], "--timeout", "0"],
        &[upstream[0], upstream[1], "--max-wait", "1.5"],
        &[upstream[0], upstream[1], "--window", "0"],
        &[upstream[0], upstream[1], "--release-limit", "-1"],
        &[upstream[0], upstream[1], "--cache-status", "\u{e9}"],
        &[upstream[0], upstream[1], "--no-such-option"],
    ];
    for options in bad {
        let error = Options::read(std::iter::once(&"proxy").chain(options).map(|option| option.into())).unwrap_err();
        let complaint = Options::complaint(&error);
        assert!(error.use_stderr() && error.exit_code() == 2, "{options:?}");
        assert!(complaint.starts_with("error: ") && complaint.len() > 20 && !complaint.contains('\n'), "{complaint}");
    }
    let error = Options::read(["proxy".into()]).unwrap_err();
    assert!(Options::complaint(&error).contains("--upstream"), "{}", Options::complaint(&error));
}
