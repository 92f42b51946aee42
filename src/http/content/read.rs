//! Reading content for the key.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::{
    Whole,
    body::{ContentBody, Rest},
};

/// A body that is being read.
pub(super) struct Reading<B> {
    body: Pin<Box<B>>,
    read: VecDeque<Frame<Bytes>>,
    /// Bytes read.
    bytes: usize,
    max: usize,
}

impl<B: Body<Data = Bytes>> Reading<B> {
    pub(super) fn new(body: B, max: usize) -> Self {
        Self { body: Box::pin(body), read: VecDeque::new(), bytes: 0, max }
    }

    /// Reads to the end, or until there is more than fits; the content is `Some` if it is all there and nothing else is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Option<Whole>, Option<B::Error>)> {
        loop {
            match ready!(self.body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready((self.content(), None)),
                Some(Err(error)) => return Poll::Ready((None, Some(error))),
                Some(Ok(frame)) => {
                    let length = frame.data_ref().map(Bytes::len);
                    // Frames without data would grow the queue and never reach the limit.
                    if length != Some(0) {
                        self.read.push_back(frame);
                    }
                    self.bytes = self.bytes.saturating_add(length.unwrap_or(0));
                    if length.is_none() || self.bytes > self.max {
                        return Poll::Ready((None, None));
                    }
                }
            }
        }
    }

    /// Returns the body with what was read of it.
    pub(super) fn into_body(self, content: Option<&Whole>, error: Option<B::Error>) -> ContentBody<B> {
        let rest = if content.is_some() || error.is_some() { Rest::Ended } else { Rest::Begun { body: self.body } };
        ContentBody { read: self.read, error, rest }
    }

    fn content(&self) -> Option<Whole> {
        let mut data = self.read.iter().filter_map(Frame::data_ref);
        Some(Whole(match (data.next(), self.read.len()) {
            (None, _) => Bytes::new(),
            (Some(only), 1) => only.clone(),
            _ => {
                let mut all = BytesMut::with_capacity(self.bytes);
                self.read.iter().filter_map(Frame::data_ref).for_each(|data| all.extend_from_slice(data));
                all.freeze()
            }
        }))
    }
}
