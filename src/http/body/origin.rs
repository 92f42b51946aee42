//! The inner body as its readers find it: untouched, or pinned, with what was read of it already.

use std::{
    collections::VecDeque,
    error::Error,
    mem::replace,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use super::{error::BodyError, part::BodyPart};

/// A body that nobody shares yet.
#[pin_project(project = OriginProj)]
pub(super) enum Origin<B> {
    Untouched {
        #[pin]
        body: B,
    },
    Pinned {
        body: Pinned<B>,
    },
    /// Only while it is being pinned.
    Moving,
}

/// A body that has been polled, perhaps further than its reader knows.
pub(super) struct Pinned<B> {
    /// `None`: what was read is all of it.
    body: Option<Pin<Box<B>>>,
    /// What was read ahead and not handed out.
    read: VecDeque<Read>,
}

pub(super) struct Read {
    /// What the body said of itself before it was polled for this.
    pub(super) before: Hints,
    pub(super) outcome: NextPart,
}

/// The next part, an error, or `None` at the end.
pub(super) type NextPart = Option<Result<BodyPart, BodyError>>;

/// What a body says of itself. Asked for outside the streams' locks: the answer is user code.
#[derive(Clone, Default)]
pub(super) struct Hints {
    pub(super) size: SizeHint,
    pub(super) is_end_stream: bool,
}

impl Hints {
    pub(super) fn of(body: &impl Body) -> Self {
        Self { size: body.size_hint(), is_end_stream: body.is_end_stream() }
    }

    /// Returns what is said at the end.
    fn at_end() -> Self {
        Self { size: SizeHint::with_exact(0), is_end_stream: true }
    }
}

impl<B> Origin<B> {
    pub(super) const fn new(body: B) -> Self {
        Self::Untouched { body }
    }

    pub(super) fn pinned(self) -> Pinned<B> {
        match self {
            Self::Untouched { body } => Pinned { body: Some(Box::pin(body)), read: VecDeque::new() },
            Self::Pinned { body } => body,
            Self::Moving => unreachable!("it is put back at once"),
        }
    }

    /// Pins it, if it is not.
    pub(super) fn pin(&mut self) -> &mut Pinned<B> {
        if matches!(self, Self::Untouched { .. }) {
            let body = replace(self, Self::Moving).pinned();
            *self = Self::Pinned { body };
        }
        match self {
            Self::Pinned { body } => body,
            Self::Untouched { .. } | Self::Moving => unreachable!("it has just been pinned"),
        }
    }
}

impl<B: Body> Origin<B> {
    /// Returns what the body says of itself at the point where its reader is.
    pub(super) fn hints(&self) -> Hints {
        match self {
            Self::Untouched { body } => Hints::of(body),
            Self::Pinned { body } => body.hints(),
            Self::Moving => Hints::default(),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Untouched { body } => body.size_hint(),
            Self::Pinned { body } => body.hints().size,
            Self::Moving => SizeHint::new(),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Untouched { body } => body.is_end_stream(),
            Self::Pinned { body } => body.hints().is_end_stream,
            Self::Moving => false,
        }
    }
}

impl<B> Origin<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    #[inline]
    pub(super) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.project() {
            OriginProj::Untouched { body } => body.poll_frame(cx).map_err(BodyError::source_failed),
            OriginProj::Pinned { body } => body.poll_part(cx).map_ok(BodyPart::into_frame),
            OriginProj::Moving => unreachable!("it is put back at once"),
        }
    }
}

impl<B> Pinned<B> {
    /// Returns a body that consists of what was read.
    #[cfg(feature = "fleet")]
    pub(super) fn whole(read: VecDeque<Read>) -> Self {
        Self { body: None, read }
    }
}

impl<B: Body> Pinned<B> {
    pub(super) fn hints(&self) -> Hints {
        self.read.front().map_or_else(|| self.inner_hints(), |read| read.before.clone())
    }

    fn inner_hints(&self) -> Hints {
        self.body.as_ref().map_or_else(Hints::at_end, |body| Hints::of(&**body))
    }
}

impl<B> Pinned<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Hands out what was read ahead, then what the body brings.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<NextPart> {
        match self.read.pop_front() {
            Some(read) => Poll::Ready(read.outcome),
            None => self.poll_body(cx),
        }
    }

    /// Reads one part more and keeps it; at the end, returns the end again.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<&NextPart> {
        if !self.read.back().is_some_and(|last| !matches!(last.outcome, Some(Ok(_)))) {
            let before = self.inner_hints();
            let outcome = ready!(self.poll_body(cx));
            self.read.push_back(Read { before, outcome });
        }
        match self.read.back() {
            Some(last) => Poll::Ready(&last.outcome),
            None => unreachable!("something has just been read"),
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<NextPart> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        loop {
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Some(part) = BodyPart::new(frame) {
                        return Poll::Ready(Some(Ok(part)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::source_failed(error)))),
                None => return Poll::Ready(None),
            }
        }
    }
}
