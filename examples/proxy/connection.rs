//! One client's connection. Many of them wait at once, so nothing here is held twice: no async block, which would keep room for what it
//! awaits beside what it captured.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Response;
use hyper::body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::log::{Line, Logged};

pin_project! {
    /// A connection that is given up when it asks for nothing. hyper's own timer starts when it knows the version: it does not
    /// see who sends nothing, or half of HTTP/2's preface.
    pub(crate) struct Patient<C> {
        #[pin]
        connection: C,
        asked: Arc<AtomicBool>,
        // `None` once something has been asked for.
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<C> Patient<C> {
    /// `asked` is raised by the first request.
    pub(crate) fn new(connection: C, asked: Arc<AtomicBool>, idle: Duration) -> Self {
        Self { connection, asked, timer: Some(Box::pin(sleep(idle))) }
    }
}

impl<C: Future> Future for Patient<C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // A client that breaks off is no event.
        if this.connection.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(timer) = this.timer else { return Poll::Pending };
        if this.asked.load(Relaxed) {
            *this.timer = None;
            return Poll::Pending;
        }
        timer.as_mut().poll(cx)
    }
}

pin_project! {
    /// An answer on its way, with the line that it will be logged in.
    pub(crate) struct Answer<F> {
        #[pin]
        answer: F,
        line: Option<Box<Line>>,
    }
}

impl<F> Answer<F> {
    pub(crate) fn new(answer: F, line: Option<Box<Line>>) -> Self {
        Self { answer, line }
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
        Poll::Ready(Ok(response.map(|body| Logged::new(body, line))))
    }
}
