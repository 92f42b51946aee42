//! A body whose frames are all there at once, and which may misbehave.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Has all its frames at once, then pends or ends.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) frames: VecDeque<&'static str>,
    pub(crate) ends: bool,
    pub(crate) promised: Option<u64>,
    /// Says that it is over as soon as it has no frames.
    pub(crate) says_so: bool,
    pub(crate) hints: Arc<AtomicUsize>,
    pub(crate) _on_drop: OnDrop,
}

impl Source {
    pub(crate) fn frames(frames: impl IntoIterator<Item = &'static str>) -> Self {
        Self { frames: frames.into_iter().collect(), ..Self::default() }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data.as_bytes()))))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hints.fetch_add(1, SeqCst);
        self.promised.map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.hints.fetch_add(1, SeqCst);
        self.says_so && self.frames.is_empty()
    }
}

#[derive(Default)]
pub(crate) struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    pub(crate) fn new(on_drop: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(on_drop)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|on_drop| on_drop());
    }
}
