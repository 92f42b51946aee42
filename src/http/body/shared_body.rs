//! One reader, as a body.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{error::BodyError, origin::Origin, reader::Reader};

pin_project! {
    /// A body that others may be reading too; see [`BodySource`](crate::BodySource).
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up one reader. With the last one the inner body is dropped.
    ///
    /// # Errors
    ///
    /// [`BodyError`]: the inner body's own error, its end before its announced size, or this reader's being cut.
    pub struct SharedBody<B> {
        #[pin]
        body: Inner<B>,
        // Told how the body ends, before its reader is; `None` once it has been.
        on_end: Option<OnEnd>,
    }
}

/// Is told the trailers, or that there are none.
pub(in crate::http) type OnEnd = Box<dyn FnOnce(Option<&HeaderMap>) + Send + Sync>;

pin_project! {
    #[project = InnerProj]
    enum Inner<B> {
        /// The only reader there ever was: the body itself.
        Lone { #[pin] body: Origin<B> },
        Shared { reader: Reader<B> },
    }
}

impl<B> SharedBody<B> {
    /// Returns a body with one reader, passed through.
    pub const fn lone(body: B) -> Self {
        Self::untouched(Origin::new(body))
    }

    pub(super) const fn untouched(body: Origin<B>) -> Self {
        Self { body: Inner::Lone { body }, on_end: None }
    }

    /// Sets what is told how the body ends; it is told nothing if the body is dropped before that.
    pub(in crate::http) fn on_end(self, on_end: OnEnd) -> Self {
        Self { on_end: Some(on_end), ..self }
    }

    pub(super) const fn shared(reader: Reader<B>) -> Self {
        Self { body: Inner::Shared { reader }, on_end: None }
    }
}

impl<B: Body> Inner<B> {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Lone { body } => body.is_end_stream(),
            Self::Shared { reader } => reader.is_end_stream(),
        }
    }
}

impl<B> Body for SharedBody<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let frame = match this.body.as_mut().project() {
            InnerProj::Lone { body } => body.poll_frame(cx),
            InnerProj::Shared { reader } => reader.poll_frame(cx),
        };
        if let (Poll::Ready(frame), Some(_)) = (&frame, &this.on_end) {
            let trailers = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.trailers_ref());
            let more = matches!(frame, Some(Ok(frame)) if frame.is_data()) && !this.body.is_end_stream();
            if let Some(on_end) = this.on_end.take_if(|_| !more) {
                on_end(trailers);
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Inner::Lone { body } => body.size_hint(),
            Inner::Shared { reader } => reader.size_hint(),
        }
    }
}

/// The body's own default, as layers want it that answer by themselves: CORS and a time-out of tower-http's, say.
impl<B: Default> Default for SharedBody<B> {
    fn default() -> Self {
        Self::untouched(Origin::new(B::default()))
    }
}

impl<B> fmt::Debug for SharedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = matches!(self.body, Inner::Shared { .. });
        f.debug_struct("SharedBody").field("shared", &shared).finish_non_exhaustive()
    }
}
