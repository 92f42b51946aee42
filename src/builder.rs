//! The layers as methods of tower's builder.

use tower::ServiceBuilder;
use tower_layer::Stack;

#[cfg(feature = "http")]
use crate::HttpSingleflightLayer;
use crate::SingleflightLayer;

/// Adds the layers to [`tower::ServiceBuilder`] as methods, as tower-http does with its own.
///
/// A layer with settings goes in by [`layer`](ServiceBuilder::layer). The trait is sealed.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
/// use tower_singleflight::{ServiceBuilderExt, SharedError};
///
/// let service = ServiceBuilder::new()
///     .singleflight(|id: &u64| Some(*id))
///     .map_err(SharedError::new)
///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(format!("row {id}")) }));
/// assert_eq!(service.oneshot(7).await.unwrap(), "row 7");
/// # }
/// ```
pub trait ServiceBuilderExt<L>: Sealed + Sized {
    /// Coalesces concurrent calls with equal keys: [`SingleflightLayer::new`].
    fn singleflight<F, K, T>(self, key_fn: F) -> ServiceBuilder<Stack<SingleflightLayer<F, K, T>, L>>;

    /// Coalesces HTTP requests: [`HttpSingleflightLayer::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use tower::ServiceBuilder;
    /// use tower_singleflight::ServiceBuilderExt;
    ///
    /// let app: Router = Router::new()
    ///     .route("/report/{id}", get(|| async { "rows" }))
    ///     .layer(ServiceBuilder::new().http_singleflight());
    /// # drop(app);
    /// ```
    #[cfg(feature = "http")]
    fn http_singleflight(self) -> ServiceBuilder<Stack<HttpSingleflightLayer, L>>;
}

impl<L> ServiceBuilderExt<L> for ServiceBuilder<L> {
    fn singleflight<F, K, T>(self, key_fn: F) -> ServiceBuilder<Stack<SingleflightLayer<F, K, T>, L>> {
        self.layer(SingleflightLayer::new(key_fn))
    }

    #[cfg(feature = "http")]
    fn http_singleflight(self) -> ServiceBuilder<Stack<HttpSingleflightLayer, L>> {
        self.layer(HttpSingleflightLayer::new())
    }
}

/// Seals [`ServiceBuilderExt`]: no other crate can name this trait.
pub trait Sealed {}

impl<L> Sealed for ServiceBuilder<L> {}
