//! The proxy example, as a program would meet it: over real sockets, with both versions of HTTP.
#![cfg(feature = "http")]
#![allow(dead_code)]

#[path = "../examples/proxy/fields.rs"]
mod fields;
#[path = "../examples/proxy/options.rs"]
mod options;
#[path = "../examples/proxy/server.rs"]
mod server;
#[path = "../examples/proxy/upgrade.rs"]
mod upgrade;
#[path = "../examples/proxy/upstream.rs"]
mod upstream;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tower::Layer;

use crate::{
    options::Options,
    server::{Server, layer},
    upstream::Upstream,
};

/// What no test takes, and a hang does.
const TOO_LONG: Duration = Duration::from_secs(20);

struct Proxy {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

async fn proxy(upstream: SocketAddr, more: &[&str]) -> Proxy {
    let url = format!("http://{upstream}");
    let options = Options::try_parse_from(["proxy", "--quiet", "--upstream", &url].iter().chain(more)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = layer(&options).layer(Upstream::new(&options));
    let server = Arc::new(Server { quiet: true, grace: TOO_LONG, idle: TOO_LONG });
    let (stop, stopped) = oneshot::channel::<()>();
    let done = tokio::spawn(server.serve(listener, service, async { drop(stopped.await) }));
    Proxy { address, stop, done }
}

/// An upstream that is written out by hand: reads one head on each connection, and says what comes next.
struct Raw(TcpListener);

impl Raw {
    async fn bind() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self(listener), address)
    }

    /// Returns the next connection and the head of its request, in lower case.
    async fn next(&self) -> (TcpStream, String) {
        let (mut stream, _) = timeout(TOO_LONG, self.0.accept()).await.unwrap().unwrap();
        let head = read_head(&mut stream).await;
        (stream, head)
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(TOO_LONG, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

async fn get(address: SocketAddr, version: Version, headers: HeaderMap) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = Request::get("/x").body(Empty::<Bytes>::new()).unwrap();
    *request.headers_mut() = headers;
    let sent = async move {
        if version == Version::HTTP_2 {
            *request.uri_mut() = format!("http://{address}/x").parse().unwrap();
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return client.send_request(request).await;
        }
        request.headers_mut().insert("host", address.to_string().parse().unwrap());
        let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        client.send_request(request).await
    };
    timeout(TOO_LONG, sent).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_body_is_streamed_as_it_comes_and_hop_by_hop_fields_stay_behind() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (upstream, address) = Raw::bind().await;
        let proxy = proxy(address, &[]).await;
        let mut headers = HeaderMap::new();
        if version == Version::HTTP_11 {
            headers.insert("connection", "x-hop".parse().unwrap());
            headers.insert("x-hop", "1".parse().unwrap());
        }
        headers.insert("x-end", "1".parse().unwrap());
        let answer = tokio::spawn(get(proxy.address, version, headers));
        let (mut stream, head) = upstream.next().await;
        assert!(head.starts_with("get /x http/1.1\r\n"), "{head}");
        assert!(!head.contains("x-hop"), "{head}");
        for line in [
            "x-end: 1",
            "via: ",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-proto: http",
            &format!("host: {}", proxy.address),
        ] {
            assert!(head.contains(line), "{line} in {head}");
        }
        let answered =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nkeep-alive: timeout=5\r\nx-end: 2\r\n\r\n3\r\none\r\n";
        stream.write_all(answered.as_bytes()).await.unwrap();
        let response = answer.await.unwrap();
        assert_eq!(response.headers()["x-end"], "2");
        assert!(!response.headers().contains_key("keep-alive"));
        let mut body = response.into_body();
        // The first chunk is here before the second is there.
        let first = timeout(TOO_LONG, body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
        assert_eq!(timeout(TOO_LONG, body.collect()).await.unwrap().unwrap().to_bytes(), "two");
    }
}

#[tokio::test]
async fn equal_requests_go_upstream_once() {
    let (upstream, address) = Raw::bind().await;
    let proxy = proxy(address, &["--cache-status", "proxy"]).await;
    let first = tokio::spawn(get(proxy.address, Version::HTTP_11, HeaderMap::new()));
    let (mut stream, _) = upstream.next().await;
    // Its request waits upstream, so whoever comes now joins it, until it is answered.
    let second = tokio::spawn(get(proxy.address, Version::HTTP_11, HeaderMap::new()));
    let third = tokio::spawn(get(proxy.address, Version::HTTP_2, HeaderMap::new()));
    let more = timeout(Duration::from_millis(300), upstream.0.accept()).await;
    assert!(more.is_err(), "no other request comes");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nrows").await.unwrap();
    let mut followers = 0;
    for answer in [first, second, third] {
        let response = answer.await.unwrap();
        followers += usize::from(response.headers()["cache-status"] == "proxy; fwd=uri-miss; collapsed");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rows");
    }
    assert_eq!(followers, 2);
}

#[tokio::test]
async fn an_upgrade_is_passed_through_both_ways() {
    let (upstream, address) = Raw::bind().await;
    let proxy = proxy(address, &[]).await;
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    client.write_all(b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n").await.unwrap();
    let (mut stream, head) = upstream.next().await;
    assert!(head.contains("upgrade: echo") && head.contains("connection: upgrade"), "{head}");
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
        .await
        .unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: echo"), "{head}");
    client.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    timeout(TOO_LONG, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    stream.write_all(b"pong").await.unwrap();
    timeout(TOO_LONG, client.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(&bytes, b"pong");
}

#[tokio::test]
async fn a_dead_upstream_is_502_and_a_slow_one_504() {
    let (gone, address) = Raw::bind().await;
    drop(gone);
    let dead = proxy(address, &[]).await;
    let response = get(dead.address, Version::HTTP_11, HeaderMap::new()).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let line = response.into_body().collect().await.unwrap().to_bytes();
    assert!(line.starts_with(b"502") && line.iter().filter(|byte| **byte == b'\n').count() == 1);

    let (slow, address) = Raw::bind().await;
    let proxy = proxy(address, &["--timeout", "50"]).await;
    let answer = tokio::spawn(get(proxy.address, Version::HTTP_2, HeaderMap::new()));
    let _held = slow.next().await;
    assert_eq!(answer.await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);

    let (rude, address) = Raw::bind().await;
    let broken = self::proxy(address, &[]).await;
    let answer = tokio::spawn(get(broken.address, Version::HTTP_11, HeaderMap::new()));
    drop(rude.next().await);
    // hyper tries once more on a connection that was fresh, as nothing was sent in answer.
    drop(rude);
    assert_eq!(answer.await.unwrap().status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn told_to_stop_it_finishes_what_is_under_way() {
    let (upstream, address) = Raw::bind().await;
    let proxy = proxy(address, &[]).await;
    let answer = tokio::spawn(get(proxy.address, Version::HTTP_11, HeaderMap::new()));
    let (mut stream, _) = upstream.next().await;
    proxy.stop.send(()).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nrows").await.unwrap();
    let response = answer.await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rows");
    timeout(TOO_LONG, proxy.done).await.expect("it stops").unwrap();
    assert!(TcpStream::connect(proxy.address).await.is_err());
}

#[test]
fn bad_options_are_refused() {
    for more in [
        &["--upstream", "https://a"][..],
        &["--upstream", "http://a/path"],
        &["--upstream", "http://user@a"],
        &["--upstream", "no url"],
        &["--upstream", "http://a", "--listen", "here"],
        &["--upstream", "http://a", "--timeout", "0"],
        &["--upstream", "http://a", "--release-limit", "0"],
        &["--upstream", "http://a", "--cache-status", "caché"],
        &[],
    ] {
        assert!(Options::try_parse_from(["proxy"].iter().chain(more)).is_err(), "{more:?}");
    }
}
