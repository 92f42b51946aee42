//! An error that many callers can have.

use std::{error::Error, fmt, sync::Arc};

/// An error that can be cloned, whatever error it was made from: all callers of a flight share the original.
///
/// For services whose error is not `Clone`, such as `BoxError` below a timeout: put `.map_err(SharedError::new)`
/// between the service and the layer.
///
/// In a chain of errors it stands for the original: it shows the original's text, and its source is the original's
/// source, so that a report prints nothing twice. [`downcast_ref`](Self::downcast_ref) reaches the original. Code that
/// looks through `&dyn Error` or `anyhow` finds a `SharedError` here, not the original, and behind it the original's
/// sources: it should ask for a `SharedError` first, then call its `downcast_ref`.
///
/// # Trade-offs
///
/// In an `async` block that is spawned, the compiler may refuse a type that contains `BoxError`: "implementation of
/// `FnOnce` (or `From`) is not general enough". That happens to clients such as tonic's, round a timeout or a boxed
/// service, with or without this crate. Hide it in a box: `ServiceBuilder::new().boxed_clone()` before all other
/// layers, or `.layer(BoxCloneSyncServiceLayer::new(MapErrLayer::new(SharedError::new)))` in place of
/// `.map_err(SharedError::new)`.
///
/// # Examples
///
/// ```
/// use std::io;
/// use tower_singleflight::SharedError;
///
/// let error = SharedError::new(io::Error::other("disk on fire"));
/// let copy = error.clone();
/// assert_eq!(copy.to_string(), "disk on fire");
/// assert!(copy.downcast_ref::<io::Error>().is_some());
///
/// let boxed: Box<dyn std::error::Error> = copy.into();
/// assert!(boxed.downcast_ref::<io::Error>().is_none());
/// let shared = boxed.downcast_ref::<SharedError>().unwrap();
/// assert!(shared.downcast_ref::<io::Error>().is_some());
/// ```
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    /// Wraps an error, or a boxed one. One that is a `SharedError` already is not wrapped again.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower::{BoxError, ServiceBuilder, service_fn};
    /// use tower_singleflight::{SharedError, SingleflightLayer, assert_service};
    ///
    /// let service = ServiceBuilder::new()
    ///     .layer(SingleflightLayer::new(|id: &u64| Some(*id)))
    ///     .map_err(SharedError::new)
    ///     .service(service_fn(|id: u64| async move { Ok::<_, BoxError>(id) })); // `BoxError` is not `Clone`
    /// assert_service::<u64, _>(&service);
    /// ```
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        match error.downcast::<Self>() {
            Ok(shared) => *shared,
            Err(error) => Self(error.into()),
        }
    }

    /// Returns the original error, if it is of this type; the [type's own example](Self#examples) shows it.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// Returns the original error.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// Returns whether both are the same error, not merely equal ones: so it tells whether two callers were on the same
    /// flight when it failed, say.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::SharedError;
    ///
    /// let error = SharedError::new("disk on fire");
    /// assert!(error.ptr_eq(&error.clone()));
    /// assert!(!error.ptr_eq(&SharedError::new("disk on fire")));
    /// ```
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Error for SharedError {
    /// Returns the source of the original, which [`Display`](fmt::Display) has shown already.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedError").field(&self.0).finish()
    }
}
