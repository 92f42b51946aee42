//! The response future of a request whose content is in the key.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body::Body;
use pin_project::pin_project;
use tower_service::Service;

use super::{RequestContent, body::ContentBody, read::Reading};
use crate::http::{body::SharedBody, config::Kind, future::HttpResponseFuture, service::HttpSingleflight};

/// The response future of a request whose content is read for the key first.
///
/// # Cancel safety
///
/// Dropping it stops the reading, or leaves the flight, as [`HttpResponseFuture`] says.
///
/// # Panics
///
/// As [`HttpResponseFuture`].
#[pin_project]
#[must_use = "futures do nothing unless you await or poll them"]
pub struct ContentFuture<S: Service<Request<ContentBody<B>>>, B: Body, RB, E> {
    #[pin]
    state: State<S, B, RB, E>,
}

#[pin_project(project = StateProj)]
#[allow(
    clippy::large_enum_variant,
    reason = "each request is in both, one after the other, and a box would be one allocation more"
)]
enum State<S: Service<Request<ContentBody<B>>>, B: Body, RB, E> {
    /// Reads the content. `None` once it has.
    Reading { reading: Option<(HttpSingleflight<S>, request::Parts, Kind, Reading<B>)> },
    /// Has asked for a flight.
    Calling {
        #[pin]
        call: HttpResponseFuture<S, ContentBody<B>, RB, E>,
    },
}

impl<S: Service<Request<ContentBody<B>>>, B: Body, RB, E> ContentFuture<S, B, RB, E> {
    pub(super) fn reading(
        service: HttpSingleflight<S>,
        parts: request::Parts,
        kind: Kind,
        reading: Reading<B>,
    ) -> Self {
        Self { state: State::Reading { reading: Some((service, parts, kind, reading)) } }
    }

    pub(super) fn calling(call: HttpResponseFuture<S, ContentBody<B>, RB, E>) -> Self {
        Self { state: State::Calling { call } }
    }
}

impl<S, B, RB, E> Future for ContentFuture<S, B, RB, E>
where
    S: Service<Request<ContentBody<B>>, Response = Response<RB>, Error = E> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Clone + Send + Sync + 'static,
{
    type Output = Result<Response<SharedBody<RB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Calling { call } => return call.poll(cx),
                StateProj::Reading { reading: place } => {
                    let Some((.., reading)) = place else {
                        panic!("a response future was polled after it had panicked")
                    };
                    let (content, error) = ready!(reading.poll(cx));
                    let Some((service, mut parts, kind, reading)) = place.take() else { continue };
                    let body = reading.into_body(content.is_some(), error);
                    let content = content.map_or(RequestContent::Unknown, RequestContent::Read);
                    let watch = service.coalescer().watch(&parts);
                    let plan = service.coalescer().plan(&mut parts, kind, &content);
                    let call = service.send(parts, body, plan, watch);
                    state.set(State::Calling { call });
                }
            }
        }
    }
}

impl<S: Service<Request<ContentBody<B>>>, B: Body, RB, E> fmt::Debug for ContentFuture<S, B, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentFuture").finish_non_exhaustive()
    }
}
