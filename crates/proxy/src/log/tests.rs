//! What the log says of an answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use http::HeaderMap;
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_singleflight::HttpSingleflightLayer;

use super::{Body, Bytes, Frame, Line, Logged, Request, Response, SizeHint};

fn full(text: &'static str) -> Full<Bytes> {
    Full::new(Bytes::from_static(text.as_bytes()))
}

/// Gives one frame, then an error, then says that it is at its end.
struct Failing(usize);

impl Body for Failing {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.0 += 1;
        Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"half")))),
            2 => Some(Err("broken off")),
            _ => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0 >= 2
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

#[tokio::test]
async fn a_body_that_has_failed_is_not_whole() {
    let mut body = Logged::new(Failing(0), None, None);
    assert!(body.frame().await.unwrap().is_ok() && !body.is_whole());
    assert!(body.frame().await.unwrap().is_err() && !body.is_whole());
    assert!(body.frame().await.is_none() && !body.is_whole());
}

#[tokio::test]
async fn a_body_is_whole_at_its_end_and_no_sooner() {
    let mut body = Logged::new(full("whole"), None, None);
    assert!(!body.is_whole());
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.is_whole(), "a known length is not asked for its end");
    let empty = Logged::new(full(""), None, None);
    assert!(empty.is_whole());
}

#[tokio::test]
async fn a_body_with_trailers_is_whole_once_they_have_come() {
    let frames = [Frame::data(Bytes::from_static(b"page")), Frame::trailers(HeaderMap::new())];
    let frames = frames.map(Ok::<_, Infallible>);
    let mut body = Logged::new(StreamBody::new(futures_util::stream::iter(frames)), None, None);
    assert!(body.frame().await.unwrap().is_ok() && !body.is_whole());
    assert!(body.frame().await.unwrap().is_ok() && body.is_whole(), "nobody asks for more");
}

#[test]
fn a_path_does_nothing_to_the_terminal_that_shows_it() {
    for (path, shown) in [
        ("/%0a?x", "/%0a"),
        ("/ä/ö", "/ä/ö"),
        ("/a\u{9b}31mb\u{85}", "/a%C2%9B31mb%C2%85"),
        ("/\u{202e}\u{2066}gpj.exe\u{2028}", "/%E2%80%AE%E2%81%A6gpj.exe%E2%80%A8"),
    ] {
        let line = Line::new(&Request::get(path).body(()).unwrap()).to_string();
        assert!(line.starts_with(&format!("- GET {shown} - 0 B ")), "{line}");
    }
}

#[tokio::test]
async fn a_line_says_what_became_of_a_request_and_by_which_rule() {
    let pages = service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(full("page"))) });
    let pages = HttpSingleflightLayer::new().layer(pages);
    for (field, expected) in [
        ("accept", "leader GET /x 200 "),
        ("cookie", "alone(NoKey) S6Cookie GET /x 200 "),
        ("range", "alone(NoKey) S11Range GET /x 200 "),
    ] {
        let request = Request::get("/x").header(field, "a=b").body(full("")).unwrap();
        let mut line = Line::new(&request);
        line.answered(&pages.clone().oneshot(request).await.unwrap());
        assert!(line.to_string().starts_with(expected), "{line}");
    }
}
