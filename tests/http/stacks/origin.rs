//! What answers at the bottom of every stack.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use tokio::sync::{Semaphore, watch};

use crate::stacks::cases::soon;

/// Counts its calls, and holds each until it is let go.
#[derive(Clone)]
pub(crate) struct Origin(Arc<Inner>);

struct Inner {
    calls: watch::Sender<usize>,
    gate: Semaphore,
    running: AtomicUsize,
    /// The most calls that ran at one time.
    peak: AtomicUsize,
    /// So many of the first calls fail.
    failing: usize,
}

/// What a call of this number answers.
pub(crate) fn whole(call: usize) -> String {
    format!("call {call}, to its end")
}

impl Origin {
    pub(crate) fn new() -> Self {
        Self::failing(0)
    }

    pub(crate) fn failing(failing: usize) -> Self {
        let (running, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Inner { calls: watch::Sender::new(0), gate: Semaphore::new(0), running, peak, failing }))
    }

    /// One call: returns its number once it is let go, and `None` if it fails.
    pub(crate) async fn run(&self) -> Option<usize> {
        let mut call = 0;
        self.0.calls.send_modify(|calls| {
            *calls += 1;
            call = *calls;
        });
        self.0.peak.fetch_max(self.0.running.fetch_add(1, SeqCst) + 1, SeqCst);
        self.0.gate.acquire().await.expect("the gate is never closed").forget();
        self.0.running.fetch_sub(1, SeqCst);
        (call > self.0.failing).then_some(call)
    }

    /// One call over HTTP: the body comes in three frames.
    pub(crate) async fn answer<B>(self, _: Request<B>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let Some(call) = self.run().await else {
            let refused = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(Empty::new().boxed());
            return Ok(refused.expect("a status and no fields"));
        };
        let frames = whole(call).as_bytes().chunks(8).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let frames = frames.into_iter().map(|data| Ok::<_, Infallible>(Frame::data(data)));
        Ok(Response::new(BoxBody::new(StreamBody::new(futures_util::stream::iter(frames)))))
    }

    pub(crate) fn let_go(&self, calls: usize) {
        self.0.gate.add_permits(calls);
    }

    pub(crate) fn calls(&self) -> usize {
        *self.0.calls.borrow()
    }

    pub(crate) fn peak(&self) -> usize {
        self.0.peak.load(SeqCst)
    }

    /// Waits for the call of this number.
    pub(crate) async fn called(&self, call: usize) {
        let mut calls = self.0.calls.subscribe();
        let called = soon("a call", calls.wait_for(|calls| *calls >= call)).await;
        assert_eq!(called.map(|calls| *calls).ok(), Some(call));
    }
}
