//! How long a message is, as all servers on the way see it (RFC 9112, section 6), and what its lines end in.
//!
//! Of the same kind: lengths in lists and on several lines, codings on several lines and in any case, HTTP/1.0, heads cut
//! into reads at any byte, requests behind others in one packet, chunk lines and trailers.

use super::*;

/// An upstream that says this, and closes.
pub(super) async fn says(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

async fn get(answer: &'static str) -> String {
    let proxy = Proxy::start(says(answer).await, &[]);
    proxy.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.to_ascii_lowercase()
}

#[tokio::test]
async fn an_answers_length_beside_chunks_is_not_passed_on() {
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: CHUNKED\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = get(answer.leak()).await;
        assert!(answer.starts_with("http/1.1 200 ") && !answer.contains("content-length"), "{answer}");
        assert!(answer.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_answers_lengths_are_one_or_refused() {
    for length in ["Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n"] {
        let answer = get(format!("HTTP/1.1 200 OK\r\n{length}\r\nhello").leak()).await;
        assert!(answer.contains("content-length: 5\r\n") && answer.ends_with("hello"), "{answer}");
        assert_eq!(answer.matches("content-length").count(), 1, "{answer}");
    }
    for length in ["Content-Length: 5\r\nContent-Length: 3\r\n", "Content-Length: 5, 3\r\n", "Content-Length: x\r\n"] {
        let answer = get(format!("HTTP/1.1 200 OK\r\n{length}\r\nhello").leak()).await;
        assert!(answer.starts_with("http/1.1 502 "), "{answer}");
    }
}

/// RFC 9112, sections 5.1 and 5.2: they are for a proxy to mend.
#[tokio::test]
async fn an_answers_spaces_before_a_colon_are_taken_out_and_its_folds_are_spaces() {
    let answer = get("HTTP/1.1 200 OK\r\nX-A : 1\r\nX-B: 2\r\n 3\r\n\t4\r\nContent-Length \t: 5\r\n\r\nhello").await;
    assert!(answer.starts_with("http/1.1 200 ") && answer.contains("x-a: 1\r\n"), "{answer}");
    let folded = answer.split("x-b: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
    assert_eq!(folded.split_ascii_whitespace().collect::<Vec<_>>(), ["2", "3", "4"], "{answer}");
    assert!(answer.contains("content-length: 5\r\n") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn an_answers_unknown_coding_is_502() {
    for coding in
        ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked", "gzip", "chunked, chunked", "identity, chunked"]
    {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let answer = get(answer.leak()).await;
        assert!(answer.starts_with("http/1.1 502 "), "{coding}: {answer}");
    }
}

#[tokio::test]
async fn a_requests_length_is_one_that_all_agree_on() {
    let proxy = Proxy::start(echo().await, &[]);
    let post = async |version: &str, fields: &str, body: &str| {
        let request = format!("POST / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n{fields}\r\n\r\n{body}");
        proxy.raw(&request).await
    };
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let both = post("1.1", "Content-Length: 3\r\nTransfer-Encoding: chunked", chunks).await;
    assert!(both.contains("hello") && !both.contains("seen-content-length"), "{both}");
    let twice = post("1.1", "Content-Length: 5\r\nContent-Length: 5", "hello").await;
    assert_eq!(twice.matches("seen-content-length: 5\r\n").count(), 1, "{twice}");
    for version in ["1.1", "1.0"] {
        for fields in ["Content-Length: 5\r\nContent-Length: 3", "Content-Length: 5, 3", "Content-Length: +5"] {
            let answer = post(version, fields, "hello").await;
            assert!(answer.contains(" 400 "), "{version} {fields}: {answer}");
        }
    }
    assert!(post("1.0", "Transfer-Encoding: chunked", chunks).await.contains(" 400 "));
    for coding in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked", "chunked, chunked"] {
        let answer = post("1.1", &format!("Transfer-Encoding: {coding}"), chunks).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{coding}: {answer}");
    }
    assert!(post("1.1", "Transfer-Encoding: gzip", "").await.contains(" 400 "));
}

/// It is the client's doing, and no failure of the upstream's.
#[tokio::test]
async fn content_that_is_not_in_order_is_400() {
    let proxy = Proxy::start(echo().await, &[]);
    for chunks in [
        "-3\r\nabc\r\n",
        "3\nabc\r\n",
        // One server might see the end of the line in the extension, and another one see a longer extension.
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3 \nb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcXX",
        "FFFFFFFFFFFFFFFFF\r\n",
        "3\r\nabc\r\n0\r\nno colon\r\n\r\n",
        "3\r\nabc\r\n0;a\nb\r\n\r\n",
        "3\r\nabc\r\n0\r\na: b\nc: d\r\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let answer = proxy.raw(&request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("400 Bad Request: the request broke off\n"),
            "{chunks:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn cookie_crumbs_are_one_line() {
    let proxy = Proxy::start(echo().await, &[]);
    let request = proxy.request("/").header(header::COOKIE, "a=1").header(header::COOKIE, "b=2; c=3");
    let answer = ask(true, request.header(header::COOKIE, "d=4"), "").await;
    assert_eq!(seen(&answer, "cookie"), ["a=1; b=2; c=3; d=4"]);
    assert_eq!(seen(&ask(true, proxy.request("/").header(header::COOKIE, "a=1"), "").await, "cookie"), ["a=1"]);
}

#[tokio::test]
async fn a_bare_lf_ends_no_line() {
    let proxy = Proxy::start(echo().await, &[]);
    for request in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\nY: 2\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = proxy.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
    }
    // Behind other requests, with content and without, in one packet.
    for first in [
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na\nb\n\n",
        "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\na\nb\n\n\r\n0\r\nX: 1\r\n\r\n",
    ] {
        let good = proxy.raw(&format!("{first}{first}\r\nGET /2 HTTP/1.0\r\n\r\n")).await;
        assert_eq!(good.matches(" 200 OK").count(), 3, "{first:?}: {good}");
        let bad = proxy.raw(&format!("{first}GET /2 HTTP/1.1\r\nHost: a\n\r\n")).await;
        assert_eq!((bad.matches(" 200 OK").count(), bad.matches(" 400 ").count()), (1, 1), "{first:?}: {bad}");
    }
}

#[tokio::test]
async fn lines_are_followed_however_they_are_cut() {
    let proxy = Proxy::start(echo().await, &[]);
    let post = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na\nb\n\n\r\n0\r\n\r\n";
    for (request, good) in [
        (format!("{post}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 2),
        (format!("{post}GET / HTTP/1.1\r\nHost: a\nConnection: close\r\n\r\n"), 1),
    ] {
        let mut stream = proxy.connect().await;
        stream.set_nodelay(true).unwrap();
        for byte in request.as_bytes() {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            yield_now().await;
        }
        let mut answer = Vec::new();
        let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.matches(" 200 OK").count(), good, "{answer}");
    }
}

#[tokio::test]
async fn a_cut_is_a_reset_to_http_1_0() {
    for (version, resets) in [("1.0", true), ("1.1", false)] {
        let proxy =
            Proxy::start(says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await, &[]);
        let mut stream = proxy.connect().await;
        stream.write_all(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap();
        let reset = end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
        assert_eq!(reset, resets, "{version}");
        assert!(!answer.ends_with(b"0\r\n\r\n"));
    }
    let whole = says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    let whole = Proxy::start(whole, &[]).raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(whole.ends_with("\r\n\r\nhello"), "{whole}");
}

#[tokio::test]
async fn what_a_client_of_http_1_0_has_not_read_yet_outlives_its_connection() {
    let content = "x".repeat(64 << 10);
    let chunks = format!("10000\r\n{content}\r\n0\r\n\r\n");
    let whole = says(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").leak()).await;
    let proxy = Proxy::start(whole, &[]);
    // Most of the answer waits on the proxy's side of the connection, which a reset would throw away.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut stream = socket.connect(proxy.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    proxy.stop.send(()).unwrap();
    timeout(LONG, proxy.done).await.unwrap().unwrap();
    let mut answer = String::new();
    timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{} bytes", answer.len());
}

#[tokio::test]
async fn an_answer_of_many_fields_or_large_ones_goes_through() {
    let fields: String = (0..900).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let long = "x".repeat(60 << 10);
    for fields in [fields, format!("X-0: 0\r\nX-899: {long}\r\nX-1: {long}\r\n")] {
        let answer = get(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok").leak()).await;
        assert!(answer.starts_with("http/1.1 200 ") && answer.ends_with("\r\n\r\nok"), "{}", &answer[..100]);
        assert!(answer.contains("\r\nx-0: 0\r\n") && answer.contains("\r\nx-899: "));
    }
    // Beyond that it is refused, in one line.
    let fields: String = (0..2000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let answer = get(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok").leak()).await;
    assert!(answer.starts_with("http/1.1 502 "), "{}", &answer[..100]);
}

#[tokio::test]
async fn large_fields_go_through_in_either_version() {
    let long: &'static str = "x".repeat(50 << 10).leak();
    let origin = origin(move |request| async move {
        let length = request.headers()["x-long"].len();
        Response::builder().header("x-long", long).header("x-seen", length).body(full("ok")).unwrap()
    })
    .await;
    for options in [&[][..], &["--h2"]] {
        let proxy = Proxy::start(origin, options);
        for h2 in [false, true] {
            let answer = ask(h2, proxy.request("/").header("x-long", long), "").await;
            assert_eq!(answer.status(), StatusCode::OK, "{options:?}, {h2}");
            assert_eq!(answer.headers()["x-long"], long, "{options:?}, {h2}");
            assert_eq!(answer.headers()["x-seen"], long.len().to_string(), "{options:?}, {h2}");
            // What is larger still is refused, perhaps before the client has sent all of it.
            let version = if h2 { Version::HTTP_2 } else { Version::HTTP_11 };
            let more = proxy.request("/").version(version).header("x-long", long.repeat(4)).body(Full::default());
            let refused = timeout(LONG, client(h2).request(more.unwrap())).await.unwrap();
            let status = refused.map_or(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, |refused| refused.status());
            assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{options:?}, {h2}");
        }
    }
}
