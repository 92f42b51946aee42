//! End to end over real sockets, with HTTP/1.1 and HTTP/2: what clients see, and what they do to each other.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower_singleflight::{HttpSingleflightLayer, http::Heads};

use crate::origin::{Bench, Held, OriginBody, bench, get_with, ok};

/// What no test takes, and a hang does.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(20);

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

struct Server {
    bench: Bench<Heads, Incoming>,
    address: SocketAddr,
}

impl Server {
    async fn start(layer: HttpSingleflightLayer) -> Self {
        let bench: Bench<Heads, Incoming> = bench(layer.cache_status("test"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = bench.service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(async move {
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { bench, address }
    }

    async fn held(&mut self) -> Held<Incoming> {
        timeout(TOO_LONG, self.bench.held.recv()).await.expect("a request arrives").expect("a request arrives")
    }

    /// Waits until the flight for this path has so many callers.
    async fn callers(&self, path: &str, callers: usize) {
        let host = self.address.to_string();
        let of_flight = || self.bench.callers(get_with(path, &[("host", &host)]));
        timeout(TOO_LONG, async {
            while of_flight() != callers {
                yield_now().await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{} callers instead of {callers}", of_flight()));
    }
}

/// Asks on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, version: Version, path: &str) -> hyper::Result<Response<Incoming>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let uri = format!("http://{address}{path}");
    if version == Version::HTTP_2 {
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        return client.send_request(Request::get(uri).body(Empty::<Bytes>::new()).unwrap()).await;
    }
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new()).unwrap();
    client.send_request(request).await
}

/// Sends a herd, half of it over each version, and waits until it is aboard.
async fn herd(server: &Server, callers: usize) -> JoinSet<hyper::Result<Response<Incoming>>> {
    let mut herd = JoinSet::new();
    for caller in 0..callers {
        herd.spawn(ask(server.address, VERSIONS[caller % 2], "/x"));
    }
    server.callers("/x", callers).await;
    herd
}

#[tokio::test]
async fn a_herd_over_both_versions_is_one_call() {
    let mut server = Server::start(HttpSingleflightLayer::new()).await;
    let mut herd = herd(&server, 40).await;
    server.held().await.answer(ok(&[("x-rows", "7")], "rows"));
    let mut followers = 0;
    while let Some(response) = herd.join_next().await {
        let response = response.unwrap().unwrap();
        assert_eq!(response.headers()["x-rows"], "7");
        followers += usize::from(response.headers()["cache-status"] == "test; fwd=uri-miss; collapsed");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rows");
    }
    assert_eq!(followers, 39);
    assert!(server.bench.held.is_empty());
    assert!(server.bench.group.is_empty());
}

#[tokio::test]
async fn clients_that_hang_up_leave_the_others_theirs_and_the_last_one_ends_the_call() {
    for version in VERSIONS {
        let mut server = Server::start(HttpSingleflightLayer::new()).await;
        // Aborted, a client drops its connection.
        let leader = tokio::spawn(ask(server.address, version, "/x"));
        let held = server.held().await;
        let follower = tokio::spawn(ask(server.address, version, "/x"));
        server.callers("/x", 2).await;
        leader.abort();
        server.callers("/x", 1).await;
        assert!(!held.is_dropped());
        follower.abort();
        timeout(TOO_LONG, async {
            while !held.is_dropped() {
                yield_now().await;
            }
        })
        .await
        .expect("the call is cancelled");
        assert!(server.bench.group.is_empty());
    }
}

#[tokio::test]
async fn t46_an_origin_that_dies_in_mid_body_is_an_error_to_every_client() {
    for size in [None, Some(100)] {
        let mut server = Server::start(HttpSingleflightLayer::new()).await;
        let mut herd = herd(&server, 6).await;
        let (frames, body) = OriginBody::streamed();
        let mut response = Response::builder();
        if let Some(size) = size {
            response = response.header("content-length", size);
        }
        server.held().await.answer(response.body(body).unwrap());
        frames.data("half of it");
        let mut bodies = Vec::new();
        while let Some(response) = herd.join_next().await {
            let mut body = response.unwrap().unwrap().into_body();
            let frame = timeout(TOO_LONG, body.frame()).await.unwrap().unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "half of it");
            bodies.push(body);
        }
        frames.fail("cut");
        for mut body in bodies {
            let end = timeout(TOO_LONG, body.frame()).await.unwrap();
            assert!(end.is_some_and(|end| end.is_err()), "never a clean end");
        }
    }
}

/// No last chunk on the wire: the connection closes instead.
#[tokio::test]
async fn t46_over_http_1_there_is_no_last_chunk() {
    let mut server = Server::start(HttpSingleflightLayer::new()).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /x HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        clients.push(stream);
    }
    server.callers("/x", 2).await;
    let (frames, body) = OriginBody::streamed();
    server.held().await.answer(Response::new(body));
    frames.data("half of it");
    let mut texts = Vec::new();
    for client in &mut clients {
        // A byte at a time.
        let mut text = Vec::new();
        while !text.ends_with(b"half of it\r\n") {
            text.push(timeout(TOO_LONG, client.read_u8()).await.unwrap().unwrap());
        }
        texts.push(text);
    }
    frames.fail("cut");
    for (client, mut text) in clients.iter_mut().zip(texts) {
        let _ = timeout(TOO_LONG, client.read_to_end(&mut text)).await.unwrap();
        assert!(String::from_utf8(text).unwrap().ends_with("half of it\r\n"), "nothing follows");
    }
}

#[tokio::test]
async fn t48_trailers_reach_every_client() {
    let mut server = Server::start(HttpSingleflightLayer::new()).await;
    let mut herd = JoinSet::new();
    for _ in 0..4 {
        herd.spawn(ask(server.address, Version::HTTP_2, "/x"));
    }
    server.callers("/x", 4).await;
    let (frames, body) = OriginBody::streamed();
    server.held().await.answer(Response::new(body));
    frames.data("rows");
    frames.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]));
    drop(frames);
    while let Some(response) = herd.join_next().await {
        let collected = response.unwrap().unwrap().into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(collected.to_bytes(), "rows");
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_and_the_others_get_all() {
    const CHUNK: usize = 64 << 10;
    const CHUNKS: usize = 256;
    for version in VERSIONS {
        // Longer than a busy machine keeps a process waiting: in 50 ms those were cut who would have read.
        let layer = HttpSingleflightLayer::new().window(4 * CHUNK).stall(Duration::from_secs(2));
        let mut server = Server::start(layer).await;
        let mut herd = JoinSet::new();
        for _ in 0..4 {
            herd.spawn(ask(server.address, version, "/x"));
        }
        server.callers("/x", 4).await;
        let (frames, body) = OriginBody::streamed();
        server.held().await.answer(Response::new(body));
        let chunk: &'static str = "x".repeat(CHUNK).leak();
        (0..CHUNKS).for_each(|_| frames.data(chunk));
        drop(frames);
        // The first one reads nothing until the others are done.
        let idle = herd.join_next().await.unwrap().unwrap().unwrap();
        let mut others = JoinSet::new();
        while let Some(response) = herd.join_next().await {
            others.spawn(timeout(TOO_LONG, response.unwrap().unwrap().into_body().collect()));
        }
        while let Some(body) = others.join_next().await {
            assert_eq!(body.unwrap().unwrap().unwrap().to_bytes().len(), CHUNKS * CHUNK);
        }
        let cut = timeout(TOO_LONG, idle.into_body().collect()).await.unwrap();
        assert!(cut.is_err(), "it was cut, and sees that it was");
    }
}
