//! The service that reads content before it asks for a flight.

use std::{
    error::Error,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{RequestContent, body::ContentBody, future::ContentFuture, read::Reading};
use crate::http::service::HttpSingleflight;

/// [`HttpSingleflight`](crate::http::HttpSingleflight) with request content in the key; made by
/// [`HttpSingleflightLayer::content_key`](crate::HttpSingleflightLayer::content_key).
///
/// # Cancel safety
///
/// As that of the service within. Before a request has joined a flight, dropping its future stops the reading of its
/// content.
#[derive(Clone, Debug)]
pub struct ContentSingleflight<S> {
    inner: S,
    /// In bytes.
    max: usize,
}

impl<S> ContentSingleflight<S> {
    pub(super) const fn new(inner: S, max: usize) -> Self {
        Self { inner, max }
    }

    /// Returns the service that looks at heads.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B, RB, E> Service<Request<B>> for ContentSingleflight<HttpSingleflight<S>>
where
    S: Service<Request<ContentBody<B>>, Response = Response<RB>, Error = E> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Clone + Send + Sync + 'static,
{
    type Response = <HttpSingleflight<S> as Service<Request<ContentBody<B>>>>::Response;
    type Error = E;
    type Future = ContentFuture<S, B, RB, E>;

    /// As ready as the service within is: always, but in a dry run.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        Service::<Request<ContentBody<B>>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shadow = self.inner.shadow();
        if shadow.is_some_and(|shadow| request.body().is_end_stream() && shadow.passes(&request)) {
            return ContentFuture::calling(self.inner.send_watched(request.map(ContentBody::whole), None));
        }
        let (mut parts, body) = request.into_parts();
        if let Some(shadow) = shadow {
            let (watched, body) = shadow.watch_content(&parts, body, self.max);
            return ContentFuture::calling(self.inner.send_watched(Request::from_parts(parts, body), Some(watched)));
        }
        let coalescer = self.inner.coalescer();
        let kind = coalescer.config.kind(&parts);
        let at_least = body.size_hint().lower();
        if body.is_end_stream() || !coalescer.reads_content(&parts, kind, at_least, self.max) {
            let watch = coalescer.watch(&parts);
            let plan = coalescer.plan(&mut parts, kind, &RequestContent::of(&body));
            return ContentFuture::calling(self.inner.send(parts, ContentBody::whole(body), plan, watch));
        }
        ContentFuture::reading(self.inner.clone(), parts, kind, Reading::new(body, self.max))
    }
}
