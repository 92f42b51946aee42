//! The inner body, pinned, and held to the size that it announced.

use std::{
    error::Error,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, SizeHint};

use super::{
    error::BodyError,
    origin::{Hints, NextPart, Origin, Pinned},
    part::BodyPart,
};

/// A body whose end is clean only if everything that it announced has come. A body that ends early is incomplete,
/// whatever it says of itself (RFC 9112 section 8, RFC 9111 section 3.3).
pub(super) struct Checked<B> {
    body: Pinned<B>,
    missing: Missing,
}

/// What a `Content-Length`, and the body itself, announced and has not come yet. The body must keep to both.
#[derive(Clone, Copy, Default)]
pub(super) struct Missing {
    head: Option<u64>,
    own: Option<u64>,
}

/// Where the inner body is.
pub(super) enum Source<B> {
    /// Nobody has read it.
    Fresh(Origin<B>),
    Begun(Checked<B>),
    /// In the hands of the reader that polls it, of the last reader, or gone after its end.
    Out,
}

impl Missing {
    pub(super) fn new(announced: Option<u64>, hints: &Hints) -> Self {
        Self { head: announced, own: hints.size.exact() }
    }

    /// Returns what the body says of itself, corrected: an end that comes too early is none, and the size is what is
    /// missing of the size first announced. A body that does not keep to that size ends in an error.
    pub(super) fn judge(self, hints: Hints) -> Hints {
        let is_end_stream = hints.is_end_stream && self.check_end().is_ok();
        Hints { size: self.own.map_or(hints.size, SizeHint::with_exact), is_end_stream }
    }

    fn check(&mut self, part: &BodyPart) -> Result<(), BodyError> {
        match part {
            BodyPart::Data(data) => {
                let length = data.len() as u64;
                for missing in [&mut self.head, &mut self.own].into_iter().flatten() {
                    *missing = missing.checked_sub(length).ok_or(BodyError::excess())?;
                }
                Ok(())
            }
            // Trailers end the content: a reader that has them may stop reading (RFC 9110 section 6.5).
            BodyPart::Trailers(_) => self.check_end(),
        }
    }

    /// Notes a part that has been checked.
    pub(super) fn take(&mut self, part: &BodyPart) {
        let _ = self.check(part);
    }

    /// Returns whether everything that was announced has come; `false` if nothing was announced.
    pub(super) fn is_over(self) -> bool {
        self.head.max(self.own) == Some(0)
    }

    fn check_end(self) -> Result<(), BodyError> {
        let missing = self.head.max(self.own).filter(|missing| *missing > 0);
        missing.map_or(Ok(()), |missing| Err(BodyError::incomplete(missing)))
    }
}

impl<B> Checked<B> {
    pub(super) fn new(body: Pinned<B>, missing: Missing) -> Self {
        Self { body, missing }
    }
}

impl<B: Body> Checked<B> {
    /// Returns what the body says of itself. An inexact size stays inexact, whatever was announced beside it.
    pub(super) fn hints(&self) -> Hints {
        self.missing.judge(self.body.hints())
    }
}

impl<B> Checked<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Returns the next part, an error that ends the body, or `None` at its clean end.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<NextPart> {
        Poll::Ready(match ready!(self.body.poll_part(cx)) {
            Some(Ok(part)) => Some(self.missing.check(&part).map(|()| part)),
            Some(Err(error)) => Some(Err(error)),
            None => self.missing.check_end().err().map(Err),
        })
    }
}
