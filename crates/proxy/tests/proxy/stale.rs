//! Upstream connections that are closed as they are used again.
//!
//! Of the same kind: HEAD, OPTIONS, and PUT and DELETE without content are sent again as GET is; POST, PATCH, unknown
//! methods, content of any length and upgrades are not.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

/// An upstream that answers the first request of a connection, and closes it when the second comes.
struct Stale {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Connections that were closed on a request.
    closed: Arc<AtomicUsize>,
}

/// Reads a head and content of a known length; `None`: the connection is closed.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            return String::from_utf8(bytes).ok();
        }
    }
}

async fn stale(answers: usize, fields: &'static str) -> Stale {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (connections, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let upstream = Stale { address: listener.local_addr().unwrap(), connections, closed };
    let (connections, closed) = (Arc::clone(&upstream.connections), Arc::clone(&upstream.closed));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Relaxed);
            let closed = Arc::clone(&closed);
            tokio::spawn(async move {
                for _ in 0..answers {
                    if read_request(&mut stream).await.is_none() {
                        return;
                    }
                    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                let reused = read_request(&mut stream).await.is_some();
                closed.fetch_add(usize::from(reused), Relaxed);
            });
        }
    });
    upstream
}

/// Asks so often that both of the proxy's workers keep a connection.
async fn warm(proxy: &Proxy) {
    for _ in 0..2 {
        assert_eq!(ask(false, proxy.request("/warm"), "").await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_that_does_no_harm_is_sent_again() {
    for options in [&[][..], &["--no-coalesce"]] {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let upstream = stale(1, "").await;
            let proxy = Proxy::start(upstream.address, options);
            warm(&proxy).await;
            for _ in 0..2 {
                let answer = ask(false, proxy.request("/").method(method), "").await;
                assert_eq!(answer.status(), StatusCode::OK, "{method}");
            }
            assert_eq!(upstream.connections.load(Relaxed), 4, "{method}");
        }
    }
}

#[tokio::test]
async fn what_might_do_harm_is_sent_once() {
    for (method, content) in [("POST", ""), ("POST", "x"), ("PATCH", ""), ("MOVE", ""), ("PUT", "x"), ("GET", "x")] {
        let upstream = stale(1, "").await;
        let proxy = Proxy::start(upstream.address, &[]);
        warm(&proxy).await;
        for _ in 0..2 {
            let answer = ask(false, proxy.request("/").method(method), content).await;
            assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{method} {content}");
        }
        assert_eq!(upstream.connections.load(Relaxed), 2, "{method} {content}");
    }
}

#[tokio::test]
async fn a_new_connection_that_is_closed_at_once_is_502_and_not_tried_again() {
    let upstream = stale(0, "").await;
    let proxy = Proxy::start(upstream.address, &[]);
    assert_eq!(ask(false, proxy.request("/"), "").await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(upstream.connections.load(Relaxed), 1);
}

#[tokio::test]
async fn half_an_answer_on_a_kept_connection_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                read_request(&mut stream).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                read_request(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200").await;
            });
        }
    });
    let proxy = Proxy::start(address, &[]);
    warm(&proxy).await;
    assert_eq!(ask(false, proxy.request("/"), "").await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(connections.load(Relaxed), 2);
}

/// The full size, 1,000 herds: `HERDS=1000 cargo test -p singleflight-proxy --test proxy no_herd_sees_a_stale_connection`.
#[tokio::test]
async fn no_herd_sees_a_stale_connection() {
    let herds: usize = std::env::var("HERDS").map_or(50, |herds| herds.parse().unwrap());
    let upstream = stale(1, "").await;
    let proxy = Proxy::start(upstream.address, &[]);
    for herd in 0..herds {
        let mut asked = JoinSet::new();
        for _ in 0..6 {
            asked.spawn(ask(false, proxy.request(&format!("/{herd}")), ""));
        }
        while let Some(answer) = asked.join_next().await {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
    }
    // What is sent again has a connection to itself; so of the herds of each of the two workers every second one finds a
    // kept connection, which is closed on it.
    assert!(2 * upstream.closed.load(Relaxed) + 2 >= herds);
}

#[tokio::test]
async fn an_upstream_is_believed_how_long_it_keeps_connections() {
    for (fields, kept) in [("Keep-Alive: timeout=0\r\n", false), ("Keep-Alive: max=9, timeout=50\r\n", true)] {
        let upstream = stale(9, fields).await;
        let proxy = Proxy::start(upstream.address, &["--no-coalesce"]);
        warm(&proxy).await;
        warm(&proxy).await;
        assert_eq!(upstream.connections.load(Relaxed), if kept { 2 } else { 4 });
    }
    let upstream = stale(9, "Keep-Alive: timeout=1\r\n").await;
    let proxy = Proxy::start(upstream.address, &["--no-coalesce"]);
    warm(&proxy).await;
    // Past the announced second; nothing else tells that the connection is given up.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    warm(&proxy).await;
    assert_eq!(upstream.connections.load(Relaxed), 4);
}

/// Two requests come at once, and each has a connection made for it. The second one gets the first one's, which has been
/// answered on by then, and is closed on it. It is older than the second request's turn, and younger than the request.
#[tokio::test]
async fn a_connection_may_have_been_kept_that_was_made_after_the_request_had_come() {
    let mut tries = 0..10;
    while !second_request_gets_the_first_ones_connection().await {
        assert!(tries.next().is_some(), "the second connection is always there before it is kept waiting");
    }
}

/// Returns whether it came to that: the second connection may be there too soon.
async fn second_request_gets_the_first_ones_connection() -> bool {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // There is room for one connection that nobody has accepted. Systems let the next one try again after a second.
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = Proxy::start(address, &[]);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(proxy.connect().await)).await.unwrap();
    tokio::spawn(connection);
    let answers = ["/1", "/2"].map(|path| {
        client.send_request(proxy.request(path).version(Version::HTTP_2).body(Empty::<Bytes>::new()).unwrap())
    });
    let answers = tokio::spawn(futures_util::future::join_all(answers));
    wait_until(|| proxy.group.in_flight() == 2).await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (mut first, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    // This takes the room from now on, so that the second connection waits however slow the machine is.
    let holds_up = timeout(Duration::from_millis(500), TcpStream::connect(address)).await;
    timeout(LONG, read_request(&mut first)).await.unwrap().unwrap();
    first.write_all(answer).await.unwrap();
    if matches!(holds_up, Ok(Ok(_))) {
        timeout(LONG, read_request(&mut first)).await.unwrap();
    }
    drop(first);
    let others = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                while read_request(&mut stream).await.is_some() {
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    for answer in timeout(LONG, answers).await.unwrap().unwrap() {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    others.abort();
    matches!(holds_up, Ok(Ok(_)))
}
