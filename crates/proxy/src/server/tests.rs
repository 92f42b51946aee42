//! Requests that have arrived when the proxy stops: their bytes lie in the socket, and the runtime has not been told of
//! them. Also the probes that the system is asked for.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener},
    time::Instant,
};

use http::{StatusCode, header};
use http_body_util::Full;
use socket2::SockRef;
use tokio::{
    io::AsyncReadExt,
    sync::Semaphore,
    task::{JoinHandle, yield_now},
    time::timeout,
};
use tower::{service_fn, util::ServiceFn};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// A frame of HTTP/2 with these flags on this stream (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// What a client of HTTP/2 begins with.
fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat()
}

/// GET http://a/ on this stream, by the static table of HPACK.
fn get(stream: u8) -> Vec<u8> {
    frame(1, 5, stream, &[0x82, 0x86, 0x84, 0x41, 1, b'a'])
}

/// A proxy whose upstream answers soon, and a client with both ends of its connection: its own and the proxy's.
struct Client {
    stream: std::net::TcpStream,
    other: std::net::TcpStream,
    proxy: mpsc::UnboundedSender<Accepted>,
    served: JoinHandle<tokio::time::Instant>,
}

impl<F> ForClient for ServiceFn<F> {
    fn for_client(self, _: IpAddr) -> Self {
        self
    }
}

impl Client {
    /// Connects; the proxy runs when the test waits.
    fn connect(grace: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, address) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        other.set_nonblocking(true).unwrap();
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let options = ["proxy", "--quiet", "--upstream", "http://a", "--grace", grace, "--idle", "600000"];
        let server = Server::new(&Options::read(options.map(Into::into)).unwrap());
        let service = service_fn(|request: Request<Incoming>| async {
            // Like a service that asks upstream, it does not answer in its first poll.
            yield_now().await;
            let mut response = Response::new(Full::new(Bytes::from_static(b"rows")));
            if request.headers().contains_key(header::UPGRADE) {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                tokio::spawn(async {
                    let upgraded = hyper::upgrade::on(request).await.unwrap();
                    TokioIo::new(upgraded).read_u8().await
                });
            }
            Ok::<_, Infallible>(response)
        });
        let (proxy, clients) = mpsc::unbounded_channel();
        let served = tokio::spawn(server.serve(clients, service, TaskTracker::new()));
        proxy.send(Accepted { stream: other.try_clone().unwrap(), address, place }).unwrap();
        Self { stream, other, proxy, served }
    }

    /// Sends these bytes, and returns when they lie in the proxy's socket. Nothing else runs meanwhile.
    fn sends(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        let (mut seen, since) = (vec![0; bytes.len()], Instant::now());
        while !self.other.peek(&mut seen).is_ok_and(|count| count == bytes.len()) {
            assert!(since.elapsed() < LONG);
        }
    }

    /// Returns when the proxy has read all.
    async fn is_read(&self) {
        let since = Instant::now();
        while self.other.peek(&mut [0]).is_ok() {
            assert!(since.elapsed() < LONG);
            yield_now().await;
        }
    }

    /// Reads until `part` comes, or else to the end; returns whether it came.
    async fn receives(&mut self, part: &[u8]) -> bool {
        let (mut received, mut bytes, since) = (Vec::<u8>::new(), [0; 1024], Instant::now());
        loop {
            assert!(since.elapsed() < LONG);
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(count) => received.extend(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => yield_now().await,
                Err(_) => return false,
            }
            if received.windows(part.len()).any(|bytes| bytes == part) {
                return true;
            }
        }
    }

    /// Stops the proxy.
    fn stop(&mut self) {
        self.proxy = mpsc::unbounded_channel().0;
    }
}

#[tokio::test]
async fn a_first_request_that_lies_in_the_socket_is_answered() {
    let mut client = Client::connect("600000");
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stop();
    assert!(client.receives(b"connection: close\r\n").await);
    timeout(LONG, client.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_further_request_that_lies_in_the_socket_is_answered() {
    let mut client = Client::connect("600000");
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.receives(b"rows").await);
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stop();
    assert!(client.receives(b"connection: close\r\n").await);
    timeout(LONG, client.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_whose_head_has_begun_to_come_is_answered() {
    for halves in [
        ["G", "ET / HTTP/1.1\r\nHost: a\r\n\r\n"],
        ["PUT / HTTP/1.1\r\nHo", "st: a\r\n\r\n"],
        ["P", "UT / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ] {
        for further in [false, true] {
            let mut client = Client::connect("600000");
            if further {
                client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                assert!(client.receives(b"rows").await);
            }
            client.sends(halves[0].as_bytes());
            client.stop();
            client.is_read().await;
            client.sends(halves[1].as_bytes());
            assert!(client.receives(b"connection: close\r\n").await, "{halves:?} {further}");
            timeout(LONG, client.served).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_holds_the_end_up_for_the_grace_time_at_most() {
    let mut client = Client::connect("20");
    client.sends(b"GET / HTTP/1.1\r\n");
    client.stop();
    timeout(LONG, client.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_on_which_nothing_has_come_ends_at_once() {
    for asked in [&b""[..], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n", &preface()]
    {
        let mut client = Client::connect("600000");
        if !asked.is_empty() {
            client.sends(asked);
        }
        if asked.starts_with(b"GET") {
            assert!(client.receives(b"rows").await);
        }
        client.is_read().await;
        client.stop();
        // Over HTTP/2 a client may have sent something before it learns of the stop.
        if asked.starts_with(b"PRI") {
            assert!(client.receives(&frame(7, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])).await);
            drop(client.stream);
            drop(client.other);
        }
        timeout(LONG, client.served).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_request_of_http2_that_lies_in_the_socket_is_answered() {
    for further in [false, true] {
        let mut client = Client::connect("600000");
        let mut stream = 1;
        if further {
            client.sends(&[preface(), get(1)].concat());
            assert!(client.receives(b"rows").await);
            stream = 3;
            client.sends(&get(stream));
        } else {
            client.sends(&[preface(), get(stream)].concat());
        }
        client.stop();
        assert!(client.receives(&[&[0, 0, 4, 0, 1, 0, 0, 0, stream], &b"rows"[..]].concat()).await, "{further}");
        drop((client.stream, client.other));
        timeout(LONG, client.served).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_client_that_has_switched_protocols_is_looked_for_when_it_is_silent() {
    let mut client = Client::connect("600000");
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.receives(b"rows").await);
    // A client that has not switched protocols has a time limit instead.
    assert!(!SockRef::from(&client.other).keepalive().unwrap());
    client.sends(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n");
    assert!(client.receives(b"HTTP/1.1 101 ").await);
    let since = Instant::now();
    while !SockRef::from(&client.other).keepalive().unwrap() {
        assert!(since.elapsed() < LONG);
        yield_now().await;
    }
    #[cfg(unix)]
    assert_eq!(SockRef::from(&client.other).tcp_keepalive_time().unwrap(), Duration::from_secs(600));
}
