//! What a service has to be for the layers, one trait for each demand, so that the compiler can say which one is not met.
//!
//! A stack that lacks something says so late, and at the wrong place: the method `oneshot` (or `ready`, or `call`) "exists
//! for the struct, but its trait bounds were not satisfied". Put [`assert_service`] in front of it,
//! and the compiler names what is missing and what to do about it. The traits here are implemented for whatever meets the
//! demand; nobody needs to implement or to call them.

#[cfg(feature = "http")]
mod http;

use std::hash::Hash;

use tower_service::Service;

#[cfg(feature = "http")]
pub use self::http::{BoxableError, BytesBody, ContentService};
use crate::{KeyFn, Singleflight};

/// Makes the compiler say what keeps a service from being one for requests of type `Req`.
///
/// For the error "the method `oneshot` exists for the struct `Singleflight<..>`, but its trait bounds were not
/// satisfied", which says neither which bound nor why. Hand it the service that a layer of this crate has made; where
/// other layers lie above that, hand it the service that they wrap. It does nothing when the program runs.
///
/// # Examples
///
/// ```compile_fail
/// use tower::{BoxError, Layer, service_fn};
/// use tower_singleflight::{SingleflightLayer, assert_service};
///
/// let backend = service_fn(|id: u64| async move { Ok::<_, BoxError>(id) });
/// let service = SingleflightLayer::new(|id: &u64| Some(*id)).layer(backend);
/// // error: the error `Box<dyn Error + Send + Sync>` is not `Clone`, and every caller of a flight gets its own
/// // note: put `.map_err(SharedError::new)` between the layer and the service
/// assert_service::<u64, _>(&service);
/// ```
///
/// With what the note says:
///
/// ```
/// use tower::{BoxError, ServiceBuilder, service_fn};
/// use tower_singleflight::{SharedError, SingleflightLayer, assert_service};
///
/// let service = ServiceBuilder::new()
///     .layer(SingleflightLayer::new(|id: &u64| Some(*id)))
///     .map_err(SharedError::new)
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) }));
/// assert_service::<u64, _>(&service);
/// ```
pub const fn assert_service<Req, S: Coalesces<Req>>(_service: &S) {}

/// A service of this crate that meets every demand for requests of type `Req`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service of this crate for requests of type `{Req}`",
    label = "neither `Singleflight`, nor `HttpSingleflight` or `ContentSingleflight` with an `http::Request`",
    note = "assert the service that the layer made, not one that wraps it"
)]
pub trait Coalesces<Req> {}

impl<S, F, K, Res, Err, Req> Coalesces<Req> for Singleflight<S, F, K, Result<Res, Err>>
where
    S: Service<Req, Response = Res, Error = Err> + CloneService + Send + 'static,
    S::Future: Send + 'static,
    F: KeyFn<Req, Key = K>,
    K: Key + Send + Sync + 'static,
    Req: Send + 'static,
    Res: CloneResponse + Send + Sync + 'static,
    Err: CloneError + Send + Sync + 'static,
{
}

/// A service that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "the service `{Self}` is not `Clone`, and every flight calls a clone of its own",
    label = "wraps a service that is not `Clone`",
    note = "put tower's `buffer` between the layer and the service"
)]
pub trait CloneService: Clone {}

#[diagnostic::do_not_recommend]
impl<S: Clone> CloneService for S {}

/// A response that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "the response `{Self}` is not `Clone`, and every caller of a flight gets its own",
    label = "wraps a service whose response is not `Clone`",
    note = "derive `Clone`, or put `.map_response(Arc::new)` between the layer and the service",
    note = "for HTTP there is `HttpSingleflightLayer`, or `CloneBodyLayer` between the layer and the service"
)]
pub trait CloneResponse: Clone {}

#[diagnostic::do_not_recommend]
impl<Res: Clone> CloneResponse for Res {}

/// An error that is `Clone`.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` is not `Clone`, and every caller of a flight gets its own",
    label = "wraps a service whose error is not `Clone`",
    note = "put `.map_err(SharedError::new)` between the layer and the service"
)]
pub trait CloneError: Clone {}

#[diagnostic::do_not_recommend]
impl<E: Clone> CloneError for E {}

/// A key that is `Hash + Eq + Clone`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key, which is `Hash + Eq + Clone`",
    label = "the key function gives `{Self}`",
    note = "derive what is missing, or let the key function give a tuple or a `String`"
)]
pub trait Key: Hash + Eq + Clone {}

#[diagnostic::do_not_recommend]
impl<K: Hash + Eq + Clone> Key for K {}
