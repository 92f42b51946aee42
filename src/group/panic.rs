//! Panics of the work: raised again in every caller, though a payload cannot be cloned.

use std::{
    any::Any,
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What a panic carries.
pub(super) type Payload = Box<dyn Any + Send>;

/// The part of a payload that every caller can have.
#[derive(Clone)]
pub(super) enum Text {
    Static(&'static str),
    Owned(Arc<str>),
}

impl Text {
    pub(super) fn of(payload: &Payload) -> Self {
        if let Some(text) = payload.downcast_ref::<&'static str>() {
            Self::Static(text)
        } else if let Some(text) = payload.downcast_ref::<String>() {
            Self::Owned(text.as_str().into())
        } else {
            Self::Static("the work of a shared flight panicked")
        }
    }

    /// Returns a payload of the type that the original had: `&str` or `String`.
    pub(super) fn into_payload(self) -> Payload {
        match self {
            Self::Static(text) => Box::new(text),
            Self::Owned(text) => Box::new(String::from(&*text)),
        }
    }
}

/// Runs user code, and hands a panic over instead of unwinding.
///
/// Nothing of ours is left half done by the unwinding: callers of this hold no lock and own what the code works on.
pub(super) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Drops what belongs to user code. A panic of that goes no further, and its payload is leaked, lest it panic in its
/// turn.
pub(super) fn discard<V>(value: V) {
    if let Err(payload) = catch(|| drop(value)) {
        forget(payload);
    }
}
