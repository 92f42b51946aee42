//! One call of the wrapped service, as it would be without the layer.

use std::{
    mem::forget,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::shadow::Watched;
use crate::http::{
    body::SharedBody,
    write::{FenceOnPanic, told_in_passing},
};

/// One call of the wrapped service, watched.
pub(in crate::http) struct ShadowCall<S: Service<Request<B>>, B> {
    call: Pin<Box<WatchedCall<S, B>>>,
}

#[pin_project]
struct WatchedCall<S: Service<Request<B>>, B> {
    #[pin]
    call: Oneshot<S, Request<B>>,
    /// `None`: it is not in the sample.
    watched: Option<Watched>,
}

impl<S: Service<Request<B>>, B> ShadowCall<S, B> {
    pub(in crate::http) fn new(service: S, request: Request<B>, watched: Option<Watched>) -> Self {
        Self { call: Box::pin(WatchedCall { call: Oneshot::new(service, request), watched }) }
    }

    pub(in crate::http) fn poll<RB>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<SharedBody<RB>>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        RB: Body<Data = Bytes>,
        SharedBody<RB>: Body,
    {
        let this = self.call.as_mut().project();
        let Some(watched) = this.watched else {
            return this.call.poll(cx).map_ok(|response| response.map(SharedBody::lone));
        };
        watched.polling();
        let on_panic = FenceOnPanic(&mut watched.write);
        let polled = this.call.poll(cx);
        forget(on_panic);
        let Poll::Ready(result) = polled else {
            watched.pending();
            return Poll::Pending;
        };
        let write = watched.write.take();
        Poll::Ready(match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let write = write.filter(|write| match write.answered(head.status, &head.headers) {
                    Some(fencing) => {
                        told_in_passing(fencing);
                        false
                    }
                    None => true,
                });
                let watch = watched.head(&head, &body);
                let body = SharedBody::lone(body);
                let body = match (watch, write) {
                    (Some(watch), _) => body.watched(watch),
                    (None, Some(write)) => write.watch(body),
                    (None, None) => body,
                };
                Ok(Response::from_parts(head, body))
            }
            Err(error) => {
                write.into_iter().for_each(|write| told_in_passing(write.failed()));
                watched.failed();
                Err(error)
            }
        })
    }
}
