//! Work whose outcome may come from another process, where it began before.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::group::{BoxedWork, Drive, Note};

/// Work that asks the fleet at its first poll. A caller that may not have what is older than itself joins it no more than
/// work that has begun.
struct Elsewhere<T>(BoxedWork<T>);

/// Marks work as one that asks the fleet.
pub(crate) fn elsewhere<T: 'static>(work: BoxedWork<T>) -> BoxedWork<T> {
    Box::pin(Elsewhere(work))
}

impl<T> Drive<T> for Elsewhere<T> {
    fn poll_end(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll_end(cx)
    }

    fn moved(mut self: Pin<&mut Self>) {
        self.0.as_mut().moved();
    }

    fn may_be_older(&self) -> bool {
        true
    }

    fn may_share(&self) -> bool {
        self.0.may_share()
    }

    fn note(&self) -> Option<Note> {
        self.0.note()
    }

    fn speaks_for_next(&self) -> bool {
        self.0.speaks_for_next()
    }

    fn take_value(mut self: Pin<&mut Self>) -> T {
        self.0.as_mut().take_value()
    }
}
