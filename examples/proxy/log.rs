//! One line per request, written when its answer has gone out, or will not.

use std::{
    fmt,
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_singleflight::Role;

/// What is known of a request; written when dropped.
#[derive(Debug)]
pub(crate) struct Line {
    start: Instant,
    method: Method,
    path: Box<str>,
    /// `None`: the client left before there was an answer.
    status: Option<StatusCode>,
    role: Option<Role>,
    bytes: u64,
    whole: bool,
}

impl Line {
    pub(crate) fn new<B>(request: &Request<B>) -> Self {
        Self {
            start: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().into(),
            status: None,
            role: None,
            bytes: 0,
            whole: false,
        }
    }

    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.role = response.extensions().get::<Role>().copied();
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Some(Role::Leader) => f.write_str("leader"),
            Some(Role::Follower) => f.write_str("follower"),
            Some(Role::Alone(reason)) => write!(f, "alone({reason:?})"),
            Some(_) | None => f.write_str("-"),
        }?;
        write!(f, " {} {}", self.method, self.path)?;
        match self.status {
            Some(status) => write!(f, " {}", status.as_u16()),
            None => f.write_str(" -"),
        }?;
        write!(f, " {} B {:.1} ms", self.bytes, self.start.elapsed().as_secs_f64() * 1e3)?;
        f.write_str(if self.whole { "" } else { " cut" })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Whoever reads the lines may have left.
        let _ = io::stdout().write_all(format!("{self}\n").as_bytes());
    }
}

pin_project! {
    /// A body on its way to a client, and the line that it ends in.
    #[derive(Debug)]
    pub(crate) struct Logged<B: Body> {
        #[pin]
        body: B,
        line: Option<Box<Line>>,
    }

    impl<B: Body> PinnedDrop for Logged<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(line) = this.line {
                line.whole |= this.body.is_end_stream();
            }
        }
    }
}

impl<B: Body> Logged<B> {
    pub(crate) fn new(body: B, line: Option<Box<Line>>) -> Self {
        Self { body, line }
    }
}

impl<B: Body<Data = Bytes>> Body for Logged<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let (Some(line), Poll::Ready(frame)) = (this.line, &frame) {
            match frame {
                Some(Ok(frame)) => line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) => {}
                None => line.whole = true,
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
