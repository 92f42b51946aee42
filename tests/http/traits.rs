//! Which of the public types over HTTP cross threads. Bodies, as axum's, and the futures of services need not be `Sync`.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use tower_singleflight::{
    HttpSingleflightLayer, SharedBody,
    http::{
        BodySource, CloneBody, CloneBodyFuture, CloneBodyLayer, Coalesced, ContentBody, ContentFuture,
        ContentSingleflight, Contents, Heads, HttpGroup, HttpKey, HttpResponseFuture, HttpSingleflight, Rule,
    },
};

use crate::origin::Fault;

type Unsync = UnsyncBoxBody<Bytes, Fault>;
type Keyed = ContentBody<Unsync>;

fn crosses_threads<T: Send + Sync>() {}
fn moves_between_threads<T: Send + Unpin>() {}

/// A service whose future is `Send` and nothing else.
struct Service;

impl<B> tower::Service<Request<B>> for Service {
    type Response = Response<Unsync>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        unreachable!("only its types are looked at")
    }
}

#[test]
fn the_public_types_cross_threads() {
    crosses_threads::<(HttpSingleflightLayer<Heads>, HttpSingleflightLayer<Contents>, CloneBodyLayer)>();
    crosses_threads::<(HttpSingleflight<Service>, ContentSingleflight<HttpSingleflight<Service>>, CloneBody<Service>)>(
    );
    crosses_threads::<(HttpGroup, HttpKey, Coalesced, Rule)>();
    crosses_threads::<BodySource<Unsync>>();
    #[cfg(feature = "status")]
    crosses_threads::<tower_singleflight::http::StatusPage>();
    moves_between_threads::<SharedBody<Unsync>>();
    moves_between_threads::<Keyed>();
    moves_between_threads::<HttpResponseFuture<Service, Unsync, Unsync, Fault>>();
    moves_between_threads::<ContentFuture<Service, Unsync, Unsync, Fault>>();
    moves_between_threads::<CloneBodyFuture<<Service as tower::Service<Request<Unsync>>>::Future>>();
}
