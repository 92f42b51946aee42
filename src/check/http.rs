//! What a service has to be for the HTTP layer.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{CloneError, CloneService, Coalesces};
use crate::http::{ContentBody, ContentSingleflight, HttpSingleflight};

impl<S, B, RB, E> Coalesces<Request<B>> for HttpSingleflight<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + CloneService + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    RB: BytesBody + Send + 'static,
    RB::Error: BoxableError,
    E: CloneError + Send + Sync + 'static,
{
}

impl<S, B, RB, E> Coalesces<Request<B>> for ContentSingleflight<HttpSingleflight<S>>
where
    S: ContentService<B, Response = Response<RB>, Error = E> + CloneService + Send + 'static,
    S::Future: Send + 'static,
    B: BytesBody + Send + 'static,
    B::Error: Send,
    RB: BytesBody + Send + 'static,
    RB::Error: BoxableError,
    E: CloneError + Send + Sync + 'static,
{
}

/// A body whose data is [`Bytes`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `http_body::Body` whose data is `Bytes`",
    label = "wraps a service whose body has other data",
    note = "put `.map_response(|response| response.map(axum::body::Body::new))` between the layer and the service, \
            or `http_body_util::BodyExt::map_frame` for data of another type"
)]
pub trait BytesBody: Body<Data = Bytes> {}

#[diagnostic::do_not_recommend]
impl<B: Body<Data = Bytes>> BytesBody for B {}

/// An error that can be boxed.
#[diagnostic::on_unimplemented(
    message = "the body's error `{Self}` cannot become a `Box<dyn Error + Send + Sync>`",
    label = "wraps a service whose body has such an error",
    note = "implement `std::error::Error` for it, or map it with `http_body_util::BodyExt::map_err`"
)]
pub trait BoxableError: Into<Box<dyn Error + Send + Sync>> {}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> BoxableError for E {}

/// A service that takes requests whose content was read for the key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take requests with a `ContentBody`, as `content_key` and `grpc` make them",
    label = "wraps a service for another body",
    note = "put `.map_request(|request: Request<_>| request.map(Body::new))` between the layer and the \
            service, with the `Body` that it takes"
)]
pub trait ContentService<B> {
    /// That of the service.
    type Response;
    /// That of the service.
    type Error;
    /// That of the service.
    type Future;
}

#[diagnostic::do_not_recommend]
impl<S: Service<Request<ContentBody<B>>>, B: Body> ContentService<B> for S {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;
}
