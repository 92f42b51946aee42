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
use pin_project::pin_project;

use super::{error::BodyError, origin::Origin, reader::Reader};

/// A body that others may be reading too; see [`BodySource`](crate::http::BodySource).
///
/// # Cancel safety
///
/// Dropping it gives up one reader. With the last one the inner body is dropped.
///
/// # Errors
///
/// [`BodyError`]: the inner body's own error, an end that is not where the announced size says, or this reader was cut.
#[pin_project]
pub struct SharedBody<B> {
    #[pin]
    body: Inner<B>,
    /// Told what the reader gets, before it does; `None` once it was told the end.
    watch: Option<Box<dyn Watch>>,
}

/// Is told what the reader of a body gets, before the reader gets it. If the body is dropped before its end, this is
/// dropped without having been told an end.
pub(in crate::http) trait Watch: Send + Sync {
    /// There is this much data more.
    fn data(&mut self, data: &Bytes);

    /// The body ends with these trailers, or without any.
    fn end(self: Box<Self>, trailers: Option<&HeaderMap>);

    /// The body ends in an error.
    fn failed(self: Box<Self>) {
        self.end(None);
    }
}

/// Tells a watch what a body brings. Once it has been told the end it is taken, and told no more.
pub(in crate::http) fn tell<E>(
    watch: &mut Option<Box<dyn Watch>>,
    brought: Option<&Result<Frame<Bytes>, E>>,
    is_end_stream: impl FnOnce() -> bool,
) {
    let Some(told) = watch else { return };
    let failed = matches!(brought, Some(Err(_)));
    let frame = brought.and_then(|frame| frame.as_ref().ok());
    let data = frame.and_then(Frame::data_ref);
    data.into_iter().for_each(|data| told.data(data));
    let Some(told) = watch.take_if(|_| data.is_none() || is_end_stream()) else { return };
    if failed { told.failed() } else { told.end(frame.and_then(Frame::trailers_ref)) }
}

#[pin_project(project = InnerProj)]
enum Inner<B> {
    /// The only reader there ever was: the body itself.
    Lone {
        #[pin]
        body: Origin<B>,
    },
    Shared {
        reader: Reader<B>,
    },
}

impl<B> SharedBody<B> {
    /// Returns a body with one reader, passed through.
    pub const fn lone(body: B) -> Self {
        Self::untouched(Origin::new(body))
    }

    pub(super) const fn untouched(body: Origin<B>) -> Self {
        Self { body: Inner::Lone { body }, watch: None }
    }

    /// Lets a watch see what the reader gets.
    pub(in crate::http) fn watched(self, watch: Box<dyn Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    pub(super) const fn shared(reader: Reader<B>) -> Self {
        Self { body: Inner::Shared { reader }, watch: None }
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
        if let (Poll::Ready(frame), Some(_)) = (&frame, &*this.watch) {
            tell(this.watch, frame.as_ref(), || this.body.is_end_stream());
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

/// The body's own default. Layers that answer by themselves need one: tower-http's CORS and time-out, say.
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
