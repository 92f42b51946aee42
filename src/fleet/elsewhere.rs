//! Work whose outcome may come from another process, where it began before.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Instant;

use crate::{
    Limits,
    group::{BoxedWork, Drive},
    sync::{Mutex, lock},
};

/// When the flight of another process that work waits for began, as far as it is known. What asks the engine writes it,
/// and the group of the work reads it.
#[derive(Clone, Debug)]
pub(crate) struct BeganElsewhere(Option<Arc<Mutex<Option<Instant>>>>);

impl BeganElsewhere {
    /// Without a join window flights can be joined until they land, and nobody wants to know.
    pub(crate) fn wanted(limits: &Limits) -> Self {
        Self(limits.join_window.map(|_| Arc::default()))
    }

    pub(super) fn set(&self, began: Option<Instant>) {
        if let Some(place) = &self.0 {
            *lock(place) = began;
        }
    }

    pub(crate) fn get(&self) -> Option<Instant> {
        *lock(self.0.as_ref()?)
    }
}

/// Work that asks the fleet at its first poll. A fresh caller does not join it, just as it does not join work that has
/// begun.
struct Elsewhere<T>(BoxedWork<T>, BeganElsewhere);

/// Marks work as one that asks the fleet, and notes when it began elsewhere.
pub(crate) fn elsewhere<T: 'static>(work: BoxedWork<T>, began: BeganElsewhere) -> BoxedWork<T> {
    Box::pin(Elsewhere(work, began))
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

    fn began_elsewhere(&self) -> Option<Instant> {
        self.1.get()
    }

    fn may_share(&self) -> bool {
        self.0.may_share()
    }

    fn take_value(mut self: Pin<&mut Self>) -> T {
        self.0.as_mut().take_value()
    }
}
