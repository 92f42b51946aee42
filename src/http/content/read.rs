//! Reading content for the key.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::body::{ContentBody, Rest};

/// A body that is being read.
pub(super) struct Reading<B> {
    body: Pin<Box<B>>,
    data: Data,
    /// What was read behind the data: trailers, or the data that is too much.
    last: Option<Frame<Bytes>>,
    max: usize,
}

/// Data in one piece, so that many small frames keep no more than their bytes (S26).
enum Data {
    /// A frame, as it came.
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::One(data) => data.len(),
            Self::Many(data) => data.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        match self {
            Self::One(one) if one.is_empty() => *one = data,
            Self::One(one) => {
                let mut many = BytesMut::with_capacity(one.len() + data.len());
                many.extend_from_slice(one);
                many.extend_from_slice(&data);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.extend_from_slice(&data),
        }
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::One(Bytes::new())) {
            Self::One(data) => data,
            Self::Many(data) => data.freeze(),
        }
    }
}

impl<B: Body<Data = Bytes>> Reading<B> {
    pub(super) fn new(body: B, max: usize) -> Self {
        Self { body: Box::pin(body), data: Data::One(Bytes::new()), last: None, max }
    }

    /// Reads to the end, or until there is more than fits. The content is `Some` if all of it was read, and no trailers
    /// came.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Option<Bytes>, Option<B::Error>)> {
        loop {
            match ready!(self.body.as_mut().poll_frame(cx)) {
                None => {
                    let content = self.data.take();
                    self.data = Data::One(content.clone());
                    return Poll::Ready((Some(content), None));
                }
                Some(Err(error)) => return Poll::Ready((None, Some(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.len() <= self.max - self.data.len() => self.data.push(data),
                    Ok(data) => return self.stop(Frame::data(data)),
                    Err(frame) => return self.stop(frame),
                },
            }
        }
    }

    fn stop(&mut self, last: Frame<Bytes>) -> Poll<(Option<Bytes>, Option<B::Error>)> {
        self.last = Some(last);
        Poll::Ready((None, None))
    }

    /// Returns the body with what was read of it.
    pub(super) fn into_body(mut self, is_whole: bool, error: Option<B::Error>) -> ContentBody<B> {
        let rest = if is_whole || error.is_some() { Rest::Ended } else { Rest::Begun { body: self.body } };
        let data = Some(self.data.take()).filter(|data| !data.is_empty());
        let read = data.map(Frame::data).into_iter().chain(self.last).collect();
        ContentBody { read, error, rest, watch: None }
    }
}
