//! Upstream connections of HTTP/2 that end, or refuse a stream, as they are used again (RFC 9113, sections 6.8, 8.7).
//!
//! The origin writes its frames by hand: no library says that it has not seen a stream which it has seen.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// What becomes of the second request of a connection.
#[derive(Clone, Copy, Debug)]
enum Second {
    /// The connection is closed, without a word.
    Closed,
    /// `GOAWAY` says that only the first was seen; the connection is closed.
    Unseen,
    /// The same, and the connection stays open.
    UnseenAndOpen,
    /// `GOAWAY` says that it was seen; the connection is closed.
    Seen,
    Reset(u32),
    /// The beginning of an answer comes, and the connection is closed.
    Begun,
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of an answer of status 200, which is the eighth entry of HPACK's static table.
pub(super) fn head(stream: u32, ends: bool) -> Vec<u8> {
    frame(HEADERS, 4 | u8::from(ends), stream, &[0x88])
}

fn go_away(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}

async fn serve(mut stream: TcpStream, second: Second) -> std::io::Result<()> {
    stream.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut first = None;
    loop {
        let mut prefix = [0; 9];
        stream.read_exact(&mut prefix).await?;
        let [high, middle, low, kind, flags, id @ ..] = prefix;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes(id);
        match (kind, first, second) {
            (SETTINGS, ..) if flags == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?,
            (HEADERS, None, _) => {
                first = Some(id);
                stream.write_all(&head(id, true)).await?;
            }
            (HEADERS, Some(_), Second::Closed) => break,
            (HEADERS, Some(first), Second::Unseen) => {
                stream.write_all(&go_away(first)).await?;
                break;
            }
            (HEADERS, Some(first), Second::UnseenAndOpen) => stream.write_all(&go_away(first)).await?,
            (HEADERS, Some(_), Second::Seen) => {
                stream.write_all(&go_away(id)).await?;
                break;
            }
            (HEADERS, Some(_), Second::Reset(why)) => {
                stream.write_all(&frame(RST_STREAM, 0, id, &why.to_be_bytes())).await?;
            }
            (HEADERS, Some(_), Second::Begun) => {
                stream.write_all(&head(id, false)).await?;
                break;
            }
            _ => {}
        }
    }
    // Closed with bytes unread, it would be reset, and the last frames be lost with it.
    stream.shutdown().await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

/// Starts an upstream; returns how many connections it has had, too.
async fn upstream(second: Second) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Relaxed);
            tokio::spawn(serve(stream, second));
        }
    });
    (address, connections)
}

/// Sends such a request on the kept connection of each worker; returns the statuses, and how many connections that took.
async fn again(second: Second, options: &[&str], method: &str, content: &'static str) -> ([StatusCode; 2], usize) {
    let (address, connections) = upstream(second).await;
    let options = [&["--h2"], options].concat();
    let proxy = Proxy::start(address, &options);
    for _ in 0..2 {
        assert_eq!(ask(false, proxy.request("/warm"), "").await.status(), StatusCode::OK);
    }
    assert_eq!(connections.load(Relaxed), 2);
    let mut statuses = [StatusCode::OK; 2];
    for status in &mut statuses {
        *status = ask(false, proxy.request("/").method(method), content).await.status();
    }
    (statuses, connections.load(Relaxed) - 2)
}

#[tokio::test]
async fn a_request_that_does_no_harm_is_sent_again_over_http_2() {
    let all = [Second::Closed, Second::Unseen, Second::UnseenAndOpen, Second::Reset(REFUSED_STREAM)];
    for second in all {
        for options in [&[][..], &["--no-coalesce"]] {
            for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
                let seen = again(second, options, method, "").await;
                assert_eq!(seen, ([StatusCode::OK; 2], 2), "{second:?} {method}");
            }
        }
    }
}

#[tokio::test]
async fn what_might_do_harm_is_sent_once_over_http_2() {
    for second in [Second::Closed, Second::Unseen, Second::Seen, Second::Reset(REFUSED_STREAM)] {
        for (method, content) in [("POST", ""), ("POST", "x"), ("PATCH", ""), ("MOVE", ""), ("PUT", "x"), ("GET", "x")]
        {
            let seen = again(second, &[], method, content).await;
            assert_eq!(seen, ([StatusCode::BAD_GATEWAY; 2], 0), "{second:?} {method} {content}");
        }
    }
}

/// Any other reset is an answer; what the upstream says that it has seen may be under way there.
#[tokio::test]
async fn what_the_upstream_has_seen_is_not_sent_again_over_http_2() {
    for second in [Second::Seen, Second::Reset(INTERNAL_ERROR)] {
        assert_eq!(again(second, &[], "GET", "").await, ([StatusCode::BAD_GATEWAY; 2], 0), "{second:?}");
    }
}

#[tokio::test]
async fn what_has_begun_to_be_answered_is_not_sent_again_over_http_2() {
    let (address, connections) = upstream(Second::Begun).await;
    let proxy = Proxy::start(address, &["--h2"]);
    for _ in 0..2 {
        assert_eq!(ask(false, proxy.request("/warm"), "").await.status(), StatusCode::OK);
    }
    for _ in 0..2 {
        // The answer breaks off, wherever that is.
        let answer = proxy.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    }
    assert_eq!(connections.load(Relaxed), 2);
}
