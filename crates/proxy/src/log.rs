//! One line per request, written when its answer has gone out or never will.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    io::{self, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};
use tokio::time::Instant;
use tower_singleflight::{Role, http::Coalesced};

use crate::{pace, wire::Wire};

/// What is known of a request; written when dropped.
#[derive(Debug)]
pub(crate) struct Line {
    start: Instant,
    method: Method,
    path: Box<str>,
    /// `None`: the client left before there was an answer.
    status: Option<StatusCode>,
    /// `None`: the request did not reach the layer, or there was no answer.
    coalesced: Option<Coalesced>,
    bytes: u64,
    /// Whether the answer's end has come.
    whole: bool,
}

impl Line {
    pub(crate) fn new<B>(request: &Request<B>) -> Self {
        Self {
            start: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().into(),
            status: None,
            coalesced: None,
            bytes: 0,
            whole: false,
        }
    }

    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.coalesced = response.extensions().get().copied();
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.coalesced.map(|coalesced| coalesced.role) {
            Some(Role::Leader) => f.write_str("leader"),
            Some(Role::Follower) => f.write_str("follower"),
            Some(Role::Alone(reason)) => write!(f, "alone({reason:?})"),
            Some(_) | None => f.write_str("-"),
        }?;
        if let Some(rule) = self.coalesced.and_then(|coalesced| coalesced.rule) {
            write!(f, " {rule}")?;
        }
        write!(f, " {} {}", self.method, Plain(&self.path))?;
        match self.status {
            Some(status) => write!(f, " {}", status.as_u16()),
            None => f.write_str(" -"),
        }?;
        write!(f, " {} B {:.1} ms", self.bytes, self.start.elapsed().as_secs_f64() * 1e3)?;
        f.write_str(if self.whole { "" } else { " cut" })
    }
}

/// A path as text that cannot act on a terminal or pass for another path: invisible characters are percent-encoded.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(is_unseen) {
            let seen = part.trim_end_matches(is_unseen);
            f.write_str(seen)?;
            part[seen.len()..].bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))?;
        }
        Ok(())
    }
}

/// Returns whether a character is a control, ends a line, or decides the direction of text. The crate has the same in
/// `src/http/one_line.rs`, and does not publish it; a change of one is to be made in both.
fn is_unseen(c: char) -> bool {
    let directs = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || directs || matches!(c, '\u{2028}' | '\u{2029}')
}

impl Drop for Line {
    fn drop(&mut self) {
        // The reader of standard output may have left.
        let _ = io::stdout().write_all(format!("{self}\n").as_bytes());
    }
}

/// How far a body has got.
#[derive(Debug)]
enum End<E> {
    Open,
    Whole,
    /// With the error, until what came before it has been sent.
    Failed(Option<E>),
}

/// A body on its way to a client, with the line that is written when it is dropped.
#[pin_project(PinnedDrop)]
pub(crate) struct Logged<B: Body> {
    #[pin]
    body: B,
    line: Option<Box<Line>>,
    wire: Option<Arc<Wire>>,
    end: End<B::Error>,
}

#[pinned_drop]
impl<B: Body> PinnedDrop for Logged<B> {
    fn drop(self: Pin<&mut Self>) {
        let whole = self.is_whole();
        let this = self.project();
        if let Some(line) = this.line {
            line.whole = whole;
        }
        if let Some(wire) = this.wire.as_ref().filter(|_| whole) {
            wire.ended();
        }
    }
}

impl<B: Body> Logged<B> {
    pub(crate) fn new(body: B, line: Option<Box<Line>>, wire: Option<Arc<Wire>>) -> Self {
        Self { body, line, wire, end: End::Open }
    }

    /// Returns whether the body has come to its end.
    pub(crate) fn is_whole(&self) -> bool {
        match self.end {
            End::Whole => true,
            // A reader that knows the length does not ask for the end.
            End::Open => self.body.is_end_stream(),
            // A body that has failed may say that it is at its end.
            End::Failed(_) => false,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Logged<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let End::Failed(error) = this.end {
            let is_sent = this.wire.as_ref().is_none_or(|wire| !wire.is_failing());
            return if is_sent { Poll::Ready(error.take().map(Err)) } else { Poll::Pending };
        }
        let frame = this.body.poll_frame(cx);
        pace::asked(matches!(frame, Poll::Ready(Some(_))));
        match frame {
            Poll::Ready(Some(Err(error))) => {
                *this.end = End::Failed(Some(error));
                // hyper would throw away what it has not sent yet, the head included.
                match this.wire {
                    Some(wire) => wire.fails(),
                    // Over HTTP/2, the connection's task sends, which comes first.
                    None => cx.waker().wake_by_ref(),
                }
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(ref frame))) => {
                if let Some(line) = this.line {
                    line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                // Trailers are the last frame; nobody asks for another.
                if frame.is_trailers() {
                    *this.end = End::Whole;
                }
            }
            Poll::Ready(None) => *this.end = End::Whole,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        !matches!(self.end, End::Failed(_)) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
