//! Panics of user code: caught, and raised again in every caller, though a payload cannot be cloned.

use std::{
    any::Any,
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The part of a payload that every caller can have.
#[derive(Clone)]
pub(crate) enum Text {
    Static(&'static str),
    Owned(Arc<str>),
}

impl Text {
    pub(crate) fn of(payload: &Payload) -> Self {
        if let Some(text) = payload.downcast_ref::<&'static str>() {
            Self::Static(text)
        } else if let Some(text) = payload.downcast_ref::<String>() {
            Self::Owned(text.as_str().into())
        } else {
            Self::Static("the work of a shared flight panicked")
        }
    }

    /// Returns a payload of the type that the original had: `&str` or `String`.
    pub(crate) fn into_payload(self) -> Payload {
        match self {
            Self::Static(text) => Box::new(text),
            Self::Owned(text) => Box::new(String::from(&*text)),
        }
    }
}

/// Things of several callers. Each is dropped by itself, as [`discard`] does: a panic of one keeps none of the others
/// from being dropped, and two panics would end the process.
pub(crate) struct DiscardEach<V>(pub(crate) Vec<V>);

impl<V> Drop for DiscardEach<V> {
    fn drop(&mut self) {
        self.0.drain(..).for_each(discard);
    }
}

/// Runs user code, and hands a panic over instead of unwinding.
///
/// Nothing of ours is left half done by the unwinding: callers of this hold no lock and own what the code works on.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Runs user code; `None` if it panics. The panic goes no further.
#[cfg(any(feature = "tracing", feature = "dry-run", feature = "fleet"))]
pub(crate) fn quietly<R>(code: impl FnOnce() -> R) -> Option<R> {
    catch(code).map_err(discard).ok()
}

/// Drops what belongs to user code. If that panics, the panic goes no further, and its payload is leaked, lest it panic
/// in its turn.
pub(crate) fn discard<V>(value: V) {
    if let Err(payload) = catch(|| drop(value)) {
        forget(payload);
    }
}
