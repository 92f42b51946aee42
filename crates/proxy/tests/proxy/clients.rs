//! Clients that hold what others need: those that do not read, that are idle, that come from elsewhere.
//!
//! Of the same kind: a client that reads the head alone, one that closes its HTTP/2 window, one that reads no byte.

use super::*;

/// An origin of answers without an end, which tells when it has begun one, and when it may give one up.
async fn endless() -> (SocketAddr, mpsc::UnboundedReceiver<oneshot::Receiver<()>>) {
    let (begun, begins) = mpsc::unbounded_channel();
    let address = origin(move |_| {
        let (alive, gone) = oneshot::channel::<()>();
        begun.send(gone).unwrap();
        let frames = futures_util::stream::unfold(alive, |alive| async {
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 1 << 14]))), alive))
        });
        async { Response::new(BodyExt::boxed_unsync(StreamBody::new(frames))) }
    })
    .await;
    (address, begins)
}

#[tokio::test]
async fn clients_that_never_read_are_let_go() {
    let (origin, mut begins) = endless().await;
    let proxy = Proxy::start(origin, &["--idle", "200", "--clients", "20"]);
    let mut clients = Vec::new();
    for n in 0..20 {
        let mut client = proxy.connect().await;
        client.write_all(format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        clients.push(client);
    }
    for _ in 0..20 {
        let gone = timeout(LONG, begins.recv()).await.unwrap().unwrap();
        assert!(timeout(LONG, gone).await.unwrap().is_err());
    }
    // All places are free again.
    let mut next = proxy.connect().await;
    next.write_all(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(LONG, next.read_exact(&mut [0; 12])).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_whose_client_opens_no_window_is_reset() {
    let (origin, mut begins) = endless().await;
    let proxy = Proxy::start(origin, &["--idle", "200"]);
    let client = client(true);
    let request = proxy.request("/").version(Version::HTTP_2).body(Full::default()).unwrap();
    // Its connection is read, and its pings are answered.
    let answer = timeout(LONG, client.request(request)).await.unwrap().unwrap();
    let gone = timeout(LONG, begins.recv()).await.unwrap().unwrap();
    assert!(timeout(LONG, gone).await.unwrap().is_err());
    assert!(timeout(LONG, answer.into_body().collect()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_served() {
    let origin = origin(|_| async { Response::new(Full::new(Bytes::from(vec![7; 4 << 20])).boxed_unsync()) }).await;
    let proxy = Proxy::start(origin, &["--idle", "1000"]);
    for h2 in [false, true] {
        let mut body = ask(h2, proxy.request("/"), "").await.into_body();
        let (mut count, mut pauses) = (0, 0);
        while let Some(frame) = timeout(LONG, body.frame()).await.unwrap() {
            count += frame.unwrap().into_data().unwrap().len();
            if pauses < 15 && count > pauses << 18 {
                pauses += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        assert_eq!(count, 4 << 20);
    }
}

#[tokio::test]
async fn clients_inside_reach_the_upstream_however_many_are_outside() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let origin = origin(move |request| {
        arrived.send(request.uri().path().to_owned()).unwrap();
        async { Response::new(full("rows")) }
    })
    .await;
    let proxy = Proxy::start(origin, &["--clients", "2", "--idle", "600000"]);
    let mut inside = proxy.connect().await;
    inside.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(LONG, inside.read_exact(&mut [0; 12])).await.unwrap().unwrap();
    assert_eq!(arrivals.recv().await.unwrap(), "/");
    let idle = proxy.connect().await;
    let mut outside = Vec::new();
    for _ in 0..8 {
        let mut client = proxy.connect().await;
        client.write_all(b"GET /outside HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        outside.push(client);
    }
    inside.write_all(b"GET /again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answers = Vec::new();
    timeout(LONG, inside.read_to_end(&mut answers)).await.unwrap().unwrap();
    assert!(String::from_utf8(answers).unwrap().ends_with("rows"));
    // Who is outside is taken in when somebody has left, and not before.
    assert_eq!(arrivals.recv().await.unwrap(), "/again");
    for mut client in outside {
        timeout(LONG, client.read_exact(&mut [0; 12])).await.unwrap().unwrap();
    }
    drop(idle);
}

#[tokio::test]
async fn addresses_share_unless_the_key_has_them() {
    for (options, calls) in [(&[][..], 1), (&["--key-address"], 2)] {
        let (origin, mut arrivals, open) = gated("for all").await;
        let proxy = Proxy::start(origin, options);
        let mut clients = Vec::new();
        for address in ["127.0.0.1:0", "127.0.0.2:0"] {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(address.parse().unwrap()).unwrap();
            let mut client = socket.connect(proxy.address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
            clients.push(client);
        }
        for _ in 0..calls {
            timeout(LONG, arrivals.recv()).await.unwrap().unwrap();
        }
        if calls == 1 {
            let request = Request::get("/").header("host", "a").body(()).unwrap();
            let key = proxy.layer.as_ref().unwrap().key(&request.into_parts().0).unwrap();
            wait_until(|| proxy.group.callers(&key) == 2).await;
        }
        open.add_permits(2);
        for mut client in clients {
            let mut answer = String::new();
            timeout(LONG, client.read_to_string(&mut answer)).await.unwrap().unwrap();
            assert!(answer.ends_with("for all"), "{answer}");
        }
        assert!(arrivals.try_recv().is_err());
    }
}

#[tokio::test]
async fn max_forwards_counts_hops() {
    let proxy = Proxy::start(echo().await, &[]);
    for method in ["OPTIONS", "TRACE"] {
        for (sent, seen_as) in [("1", "0"), ("10", "9"), ("99999999999999999999", "18446744073709551614")] {
            let answer = ask(false, proxy.request("/").method(method).header(header::MAX_FORWARDS, sent), "").await;
            assert_eq!(seen(&answer, "max-forwards"), [seen_as], "{method}");
        }
        for bad in ["", "x", "-1", "1, 2"] {
            let answer = ask(false, proxy.request("/").method(method).header(header::MAX_FORWARDS, bad), "").await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{method} {bad}");
        }
        let answer = ask(false, proxy.request("/").method(method).header(header::MAX_FORWARDS, "0"), "").await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("seen"), "{method}");
    }
    let answer = ask(false, proxy.request("/").header(header::MAX_FORWARDS, "0"), "").await;
    assert_eq!(seen(&answer, "max-forwards"), ["0"]);
}

#[tokio::test]
async fn a_trace_carries_no_secrets() {
    let proxy = Proxy::start(echo().await, &[]);
    let secrets = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token", "x-session-id"];
    for forwards in ["0", "1"] {
        let mut request =
            proxy.request("/").method("TRACE").header(header::MAX_FORWARDS, forwards).header("x-mine", "1");
        for name in secrets {
            request = request.header(name, "hidden");
        }
        let answer = ask(false, request, "").await;
        let fields = format!("{:?}", answer.headers());
        let seen = fields + &text(answer).await;
        assert!(seen.contains("x-mine") && !seen.contains("hidden"), "{seen}");
    }
    let answer = ask(false, proxy.request("/").method("TRACE"), "x").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nobody_joins_a_request_past_the_join_window() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let origin = origin(move |_| {
        arrived.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let proxy = Proxy::start(origin, &[]);
    let _first = tokio::spawn(ask(false, proxy.request("/"), ""));
    timeout(LONG, arrivals.recv()).await.unwrap().unwrap();
    let _second = tokio::spawn(ask(false, proxy.request("/"), ""));
    wait_until(|| proxy.group.callers(&proxy.key("/")) == 2).await;
    assert!(arrivals.try_recv().is_err());

    let proxy = Proxy::start(origin, &["--join-window", "1"]);
    let mut asked = JoinSet::new();
    asked.spawn(ask(false, proxy.request("/"), ""));
    timeout(LONG, arrivals.recv()).await.unwrap().unwrap();
    // Sooner or later one comes past the window, and is the first of a request of its own.
    for waiting in 2.. {
        asked.spawn(ask(false, proxy.request("/"), ""));
        let mut arrived = false;
        wait_until(|| {
            arrived = arrivals.try_recv().is_ok();
            arrived || proxy.group.callers(&proxy.key("/")) == waiting
        })
        .await;
        if arrived {
            break;
        }
    }
    assert!(arrivals.try_recv().is_err());
}
