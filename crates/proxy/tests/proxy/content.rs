//! The content of requests, on its way to the upstream.
//!
//! Of the same kind: each method with content of known and of unknown length, over either version of HTTP, on new
//! connections and on kept ones, to an upstream that has answered in HTTP/1.0.

use super::*;

/// Sends this request over HTTP/1.1, and returns the answer.
async fn sent(proxy: &Proxy, method: &str, content: &str) -> String {
    proxy.raw(&format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{content}")).await
}

#[tokio::test]
async fn content_of_unknown_length_reaches_the_upstream_whatever_the_method() {
    let proxy = Proxy::start(echo().await, &[]);
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "QUERY"] {
        let chunked = sent(&proxy, method, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
        assert!(chunked.contains("\r\nseen-transfer-encoding: chunked\r\n"), "{method}: {chunked}");
        assert!(chunked.ends_with("\r\n5\r\nhello\r\n0\r\n\r\n") || method == "HEAD", "{method}: {chunked}");
        // Over HTTP/2, content may have no length at all.
        let body = StreamBody::new(futures_util::stream::iter([Ok::<_, Infallible>(Frame::data("hello".into()))]));
        let request = proxy.request("/").method(method).version(Version::HTTP_2).body(BodyExt::boxed_unsync(body));
        let client: Client<_, Body> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let answer = timeout(LONG, client.request(request.unwrap())).await.unwrap().unwrap();
        assert_eq!(seen(&answer, "transfer-encoding"), ["chunked"], "{method}");
        assert!(text(answer).await == "hello" || method == "HEAD", "{method}");
    }
    let none = sent(&proxy, "GET", "\r\n").await;
    assert!(!none.contains("seen-transfer-encoding") && !none.contains("seen-content-length"), "{none}");
}

/// An upstream of HTTP/1.0 that keeps connections: once it is known, there is no way to send it content of unknown
/// length on these (RFC 9112, section 6.1).
#[tokio::test]
async fn content_reaches_an_upstream_that_has_answered_in_http_1_0() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), &[]);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while stream.read_buf(&mut bytes).await.unwrap() > 0 {
                    // One request at a time comes, with content in one chunk or none.
                    let chunked = bytes.windows(7).any(|part| part == b"chunked");
                    if !bytes.ends_with(if chunked { b"\r\n0\r\n\r\n" } else { b"\r\n\r\n" }) {
                        continue;
                    }
                    let answer =
                        format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n", bytes.len());
                    stream.write_all(&[answer.as_bytes(), &bytes].concat()).await.unwrap();
                    bytes.clear();
                }
            });
        }
    });
    // Each of the two workers has connections of its own.
    for _ in 0..2 {
        assert!(sent(&proxy, "GET", "\r\n").await.contains(" 200 OK\r\n"));
    }
    for _ in 0..2 {
        let answer = sent(&proxy, "POST", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
        assert!(answer.ends_with("\r\n5\r\nhello\r\n0\r\n\r\n"), "{answer}");
    }
}

/// The upstream has answered, and does without the rest. Nobody else would end what the client never sends.
#[tokio::test]
async fn who_stops_sending_after_an_early_answer_is_let_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), &["--idle", "50"]);
    let (gone, mut ends) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let gone = gone.clone();
            tokio::spawn(async move {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly").await.unwrap();
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                gone.send(()).unwrap();
            });
        }
    });
    for content in ["Content-Length: 9\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        // The connection is closed.
        let answer = proxy.raw(&format!("POST / HTTP/1.1\r\nHost: a\r\n{content}")).await;
        assert!(answer.ends_with("\r\n\r\nearly"), "{answer}");
        timeout(LONG, ends.recv()).await.unwrap().unwrap();
    }
    // Over HTTP/2 it is the stream.
    let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = proxy.request("/").method("POST").version(Version::HTTP_2).body(BodyExt::boxed_unsync(body));
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    assert_eq!(text(timeout(LONG, client.request(request.unwrap())).await.unwrap().unwrap()).await, "early");
    timeout(LONG, ends.recv()).await.unwrap().unwrap();
}

/// RFC 9112, section 9.6. The system would throw away what the client has not got yet, if the connection were closed with
/// something unread: with content, or with requests behind the last one.
#[tokio::test]
async fn an_answer_is_read_to_its_end_by_a_client_that_goes_on_sending() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap(), &[]);
    let (length, size) = (2 << 20, 64 << 20);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head =
                format!("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &vec![b'x'; length]].concat()).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    for head in [
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let (mut answers, mut content) = proxy.connect().await.into_split();
        let sends = tokio::spawn(async move {
            content.write_all(head.as_bytes()).await.unwrap();
            let _ = content.write_all(&vec![b'x'; size]).await;
            content
        });
        let mut answer = Vec::new();
        timeout(LONG, answers.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 413 ") && answer.len() > length, "{} bytes", answer.len());
        drop((sends.await.unwrap(), answers));
    }
}
