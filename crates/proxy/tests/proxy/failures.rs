//! Upstreams and clients that fail, or take too long.

use super::*;

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

/// RFC 9110, section 9.3.2. Over HTTP/2, clients take such content for an error.
#[tokio::test]
async fn no_failure_has_content_where_head_was_asked_for() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for options in [&[][..], &["--no-coalesce"]] {
        let proxy = Proxy::start(dead, options);
        for h2 in [false, true] {
            let response = ask(h2, proxy.request("/").method("HEAD"), "").await;
            assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
            assert_eq!(text(response).await, "");
        }
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

/// The client has sent what there is room for, and waits; nobody else would ever end it.
#[tokio::test]
async fn a_request_that_the_upstream_does_not_read_is_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), &["--idle", "50"]);
    let mut stream = proxy.connect().await;
    let length = 64 << 20;
    stream
        .write_all(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let (mut answers, mut content) = stream.split();
    let sends = async { content.write_all(&vec![0; length]).await };
    let mut answer = [0; 12];
    tokio::select! {
        read = timeout(LONG, answers.read_exact(&mut answer)) => assert_eq!(read.unwrap().unwrap(), 12),
        sent = sends => panic!("all of it has been taken: {sent:?}"),
    }
    assert_eq!(&answer, b"HTTP/1.1 504");
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
