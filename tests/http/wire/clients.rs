//! Clients that keep what they see, byte for byte.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::sockets::TOO_LONG;

/// Returns where the first message ends; `None`: not yet, or only where the connection does.
fn end_of_message(bytes: &[u8], is_head: bool) -> Option<usize> {
    let find = |from: usize, wanted: &[u8]| {
        bytes[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| from + at + wanted.len())
    };
    let body = find(0, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase();
    if is_head || head.starts_with("http/1.1 204") || head.starts_with("http/1.0 204") {
        return Some(body);
    }
    if head.contains("transfer-encoding: chunked") {
        // A last chunk that is none of the data's: chunks are read one by one.
        let mut at = body;
        loop {
            let data = find(at, b"\r\n")?;
            let length = usize::from_str_radix(std::str::from_utf8(&bytes[at..data - 2]).ok()?, 16).ok()?;
            if length == 0 {
                return if bytes.get(data..data + 2)? == b"\r\n" { Some(data + 2) } else { find(data, b"\r\n\r\n") };
            }
            at = data + length + 2;
            if at > bytes.len() {
                return None;
            }
        }
    }
    let length = head.split("content-length: ").nth(1)?.split('\r').next()?.parse::<usize>().ok()?;
    (bytes.len() >= body + length).then_some(body + length)
}

/// Asks on a connection of its own, and once more when the answer is whole; returns all bytes until the server ends.
pub(super) async fn ask_raw(mut stream: TcpStream, version: Version, method: &str) -> Vec<u8> {
    let proto = if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let fields = "host: a\r\nte: trailers\r\nconnection: keep-alive, te\r\n";
    stream.write_all(format!("{method} /x {proto}\r\n{fields}\r\n").as_bytes()).await.unwrap();
    let (mut bytes, mut buffer, mut asked_again) = (Vec::new(), [0; 4096], false);
    loop {
        if let (false, Some(_)) = (asked_again, end_of_message(&bytes, method == "HEAD")) {
            asked_again = true;
            // The last one: the server closes behind it.
            let next = format!("GET /next {proto}\r\nhost: a\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(next.as_bytes()).await;
        }
        match timeout(TOO_LONG, stream.read(&mut buffer)).await.expect("the server goes on") {
            Ok(0) | Err(_) => return bytes,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The same over HTTP/2, as far as it is to be seen there: the head, the data, the trailers, and how it ends.
pub(super) async fn ask_2(stream: TcpStream, method: &str) -> Vec<u8> {
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut seen = String::new();
    for (method, path) in [(method, "/x"), ("GET", "/next")] {
        let request = Request::builder().method(method).uri(format!("http://a{path}")).header("te", "trailers");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        match timeout(TOO_LONG, client.send_request(request)).await.expect("the server goes on") {
            Err(_) => seen.push_str("no answer;"),
            Ok(response) => {
                let (head, mut body) = response.into_parts();
                seen.push_str(&format!("{} {:?};", head.status, head.headers));
                loop {
                    match timeout(TOO_LONG, body.frame()).await.expect("the server goes on") {
                        None => break seen.push_str(";end;"),
                        Some(Err(_)) => break seen.push_str(";broken off;"),
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(data) => seen.push_str(&String::from_utf8_lossy(&data)),
                            Err(frame) => seen.push_str(&format!(";{:?}", frame.into_trailers().unwrap())),
                        },
                    }
                }
            }
        }
    }
    seen.into_bytes()
}
