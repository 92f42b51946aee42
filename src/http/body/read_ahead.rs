//! A body that is looked into before anybody reads it.

use std::{
    error::Error,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

use super::{
    origin::{Origin, Pinned},
    part::BodyPart,
    source::BodySource,
};

/// Reads some frames of a body and keeps them; the body's readers find it as if nothing had been read.
///
/// A panic of the inner body unwinds, and leaves what was read before.
pub(in crate::http) struct ReadAhead<B> {
    body: Pinned<B>,
    announced: Option<u64>,
}

/// What the last poll has brought. All of it is still to come for the readers.
#[derive(Debug)]
pub(in crate::http) enum Ahead<'a> {
    Data(&'a Bytes),
    Trailers(&'a HeaderMap),
    End,
    Failed,
}

impl<B> ReadAhead<B> {
    /// `announced`: what the head said of the body's length, in bytes; `None` if it said nothing, or if what it said is
    /// not of this message's content (HEAD, 204, 304).
    pub(in crate::http) fn new(body: B, announced: Option<u64>) -> Self {
        Self { body: Origin::new(body).pinned(), announced }
    }

    pub(in crate::http) fn into_source(self) -> BodySource<B> {
        BodySource::from_origin(Origin::Pinned { body: self.body }).announced(self.announced)
    }
}

impl<B> ReadAhead<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Reads one frame more. Once the body has ended or failed it is not polled again.
    pub(in crate::http) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Ahead<'_>> {
        Poll::Ready(match ready!(self.body.poll_ahead(cx)) {
            Some(Ok(BodyPart::Data(data))) => Ahead::Data(data),
            Some(Ok(BodyPart::Trailers(trailers))) => Ahead::Trailers(trailers),
            Some(Err(_)) => Ahead::Failed,
            None => Ahead::End,
        })
    }
}
