//! Bodies on their way through: one that must not fall silent, and one that tells when it moves.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep},
};

type Frames = Poll<Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>>>;

/// An upstream's body: an error when nothing comes for too long, while somebody waits for it.
#[derive(Debug)]
pub(crate) struct Lively {
    body: Incoming,
    idle: Duration,
    /// Made at the first wait.
    timer: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Lively {
    pub(crate) fn new(body: Incoming, idle: Duration) -> Self {
        Self { body, idle, timer: None, waits: false }
    }
}

impl Body for Lively {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Frames {
        let this = &mut *self;
        // The body first: a frame that lay ready while a slow client took its time is not late.
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.idle)));
        if !this.waits {
            timer.as_mut().reset(Instant::now() + this.idle);
            this.waits = true;
        }
        timer.as_mut().poll(cx).map(|()| Some(Err("the upstream fell silent".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A client's body, which raises a flag with each frame, and tells when it has been sent.
#[derive(Debug)]
pub(crate) struct Flagged {
    body: Incoming,
    progress: Option<(Arc<AtomicBool>, oneshot::Sender<()>)>,
}

/// How far a client's body has got.
#[derive(Debug)]
pub(crate) struct Progress {
    moved: Arc<AtomicBool>,
    /// Closed when the body has been sent, or given up.
    pub(crate) sent: oneshot::Receiver<()>,
}

impl Flagged {
    /// Returns the body, with its progress if there is anything to send.
    pub(crate) fn new(body: Incoming) -> (Self, Option<Progress>) {
        if body.is_end_stream() {
            return (Self { body, progress: None }, None);
        }
        let (moved, (sender, sent)) = (Arc::default(), oneshot::channel());
        (Self { body, progress: Some((Arc::clone(&moved), sender)) }, Some(Progress { moved, sent }))
    }
}

impl Progress {
    /// Returns whether there was any since it was last asked.
    pub(crate) fn moved(&self) -> bool {
        self.moved.swap(false, Relaxed)
    }
}

impl Body for Flagged {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(_), Some((moved, _))) = (&frame, &self.progress) {
            moved.store(true, Relaxed);
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
