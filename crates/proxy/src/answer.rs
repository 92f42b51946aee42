//! An answer on its way to a client.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use hyper::body::Body;
use pin_project::pin_project;

use crate::{
    log::{Line, Logged},
    wire::Wire,
};

/// Waits for an answer, and holds the line that it is logged in. An async block would keep room for `answer` twice.
#[pin_project]
pub(crate) struct Answer<F> {
    #[pin]
    answer: F,
    line: Option<Box<Line>>,
    wire: Option<Arc<Wire>>,
}

impl<F> Answer<F> {
    pub(crate) fn new(answer: F, line: Option<Box<Line>>, wire: Option<Arc<Wire>>) -> Self {
        Self { answer, line, wire }
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Logged<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.answer.poll(cx))?;
        let mut line = this.line.take();
        if let Some(line) = &mut line {
            line.answered(&response);
        }
        let wire = this.wire.take();
        if let Some(wire) = &wire {
            wire.answered(&response);
        }
        Poll::Ready(Ok(response.map(|body| Logged::new(body, line, wire))))
    }
}
