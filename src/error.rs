//! An error that many callers can have.

use std::{error::Error, fmt, sync::Arc};

/// An error that can be cloned, whatever error it was made from: all callers of a flight share the original.
///
/// For services whose error is not `Clone`, such as `BoxError` below a timeout: put `.map_err(SharedError::new)`
/// between the service and the layer.
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
/// ```
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    /// Wraps an error, or a boxed one.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        match error.downcast::<Self>() {
            Ok(shared) => *shared,
            Err(error) => Self(error.into()),
        }
    }

    /// Returns the original error, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// Returns whether both are the same error, not merely equal ones.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Error for SharedError {
    /// Returns the original error, which [`Display`](fmt::Display) shows too.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
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
