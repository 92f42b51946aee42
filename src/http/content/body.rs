//! A request body of which something may have been read already.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

use crate::http::body::{Watch, tell};

/// A request body as the wrapped service gets it: what was read for the key, then the rest, unchanged.
///
/// Axum's routes take any body. A service that takes one type only, such as tonic's `Channel`, gets its own by a line
/// between the layer and the service.
///
/// # Examples
///
/// ```
/// use axum::body::Body;
/// use http::{Request, Response};
/// use tower::{BoxError, ServiceBuilder, service_fn};
/// use tower_singleflight::{HttpSingleflightLayer, SharedError, assert_service};
///
/// let channel = service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(Body::empty())) });
/// let service = ServiceBuilder::new()
///     .layer(HttpSingleflightLayer::new().grpc(["/reports.Reports/Get"]))
///     .map_request(|request: Request<_>| request.map(Body::new))
///     .map_err(SharedError::new)
///     .service(channel);
/// assert_service::<Request<Body>, _>(&service);
/// ```
#[pin_project]
pub struct ContentBody<B: Body> {
    /// Read, and not handed on yet.
    pub(super) read: VecDeque<Frame<Bytes>>,
    /// What ended the reading; comes after the frames.
    pub(super) error: Option<B::Error>,
    #[pin]
    pub(super) rest: Rest<B>,
    /// Told what the service gets, if nothing was read of the body.
    pub(super) watch: Option<Box<dyn Watch>>,
}

#[pin_project(project = RestProj)]
pub(super) enum Rest<B> {
    /// Nothing was read.
    Whole {
        #[pin]
        body: B,
    },
    /// Something was read, and there is more.
    Begun { body: Pin<Box<B>> },
    /// All was read.
    Ended,
}

impl<B: Body> ContentBody<B> {
    /// Returns a body that is handed on as it is.
    pub(in crate::http) const fn whole(body: B) -> Self {
        Self { read: VecDeque::new(), error: None, rest: Rest::Whole { body }, watch: None }
    }

    /// Lets a watch see what the service gets.
    #[cfg(feature = "dry-run")]
    pub(in crate::http) fn watched(self, watch: Box<dyn Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }
}

impl<B: Body<Data = Bytes>> Body for ContentBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        if let Some(frame) = this.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = this.error.take() {
            this.rest.set(Rest::Ended);
            return Poll::Ready(Some(Err(error)));
        }
        match this.rest.project() {
            RestProj::Whole { mut body } => {
                let frame = body.as_mut().poll_frame(cx);
                if let (Poll::Ready(frame), Some(_)) = (&frame, &this.watch) {
                    tell(this.watch, frame.as_ref(), || body.is_end_stream());
                }
                frame
            }
            RestProj::Begun { body } => body.as_mut().poll_frame(cx),
            RestProj::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty()
            && self.error.is_none()
            && match &self.rest {
                Rest::Whole { body } => body.is_end_stream(),
                Rest::Begun { body } => body.is_end_stream(),
                Rest::Ended => true,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.rest {
            Rest::Whole { body } => return body.size_hint(),
            Rest::Begun { body } => body.size_hint(),
            Rest::Ended => SizeHint::with_exact(0),
        };
        let read: u64 = self.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let mut hint = SizeHint::new();
        hint.set_lower(read.saturating_add(rest.lower()));
        if let (None, Some(upper)) = (&self.error, rest.upper()) {
            hint.set_upper(read.saturating_add(upper));
        }
        hint
    }
}

impl<B: Body> fmt::Debug for ContentBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentBody").field("read", &self.read.len()).finish_non_exhaustive()
    }
}
