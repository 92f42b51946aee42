//! The inner body, pinned, and held to the size that it announced.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, SizeHint};

use super::{error::BodyError, part::Part};

/// A body whose end is clean only if all came that it had announced: one that ends early is incomplete, whatever it
/// says of itself (RFC 9112 section 8, RFC 9111 section 3.3).
pub(super) struct Checked<B> {
    body: Pin<Box<B>>,
    /// Announced and not come yet.
    missing: Option<u64>,
}

/// Where the inner body is.
pub(super) enum Source<B> {
    /// Not begun, not pinned.
    Fresh(B),
    Begun(Checked<B>),
    /// In the hands of the reader that polls it, of the last reader, or gone after its end.
    Out,
}

/// What a body says of itself. Asked for outside the locks: the answer is user code.
#[derive(Clone, Default)]
pub(super) struct Hints {
    pub(super) size: SizeHint,
    pub(super) is_end_stream: bool,
}

impl Hints {
    pub(super) fn of(body: &impl Body) -> Self {
        let size = body.size_hint();
        let is_end_stream = body.is_end_stream() && size.exact().is_none_or(|missing| missing == 0);
        Self { size, is_end_stream }
    }
}

impl<B> Checked<B> {
    pub(super) fn new(body: B, announced: Option<u64>) -> Self {
        Self { body: Box::pin(body), missing: announced }
    }

    fn check(&mut self, part: &Part) -> Result<(), BodyError> {
        let Some(missing) = self.missing else { return Ok(()) };
        match part {
            Part::Data(data) => {
                self.missing = Some(missing.checked_sub(data.len() as u64).ok_or(BodyError::excess())?);
                Ok(())
            }
            // Trailers end the content: who has them may stop reading (RFC 9110 section 6.5).
            Part::Trailers(_) => self.check_end(),
        }
    }

    fn check_end(&self) -> Result<(), BodyError> {
        self.missing.filter(|missing| *missing > 0).map_or(Ok(()), |missing| Err(BodyError::incomplete(missing)))
    }
}

impl<B: Body> Checked<B> {
    pub(super) fn hints(&self) -> Hints {
        let is_end_stream = self.check_end().is_ok() && self.body.is_end_stream();
        // What was announced is kept, or the end is an error: who asks later is told the same.
        let size = self.missing.map_or_else(|| self.body.size_hint(), SizeHint::with_exact);
        Hints { size, is_end_stream }
    }
}

impl<B> Checked<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Returns the next part, an error that ends the body, or `None` at its clean end.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, BodyError>>> {
        loop {
            let frame = match ready!(self.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::source_failed(error)))),
                None => return Poll::Ready(self.check_end().err().map(Err)),
            };
            if let Some(part) = Part::new(frame) {
                return Poll::Ready(Some(self.check(&part).map(|()| part)));
            }
        }
    }
}
