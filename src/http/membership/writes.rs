//! Writes over HTTP, told to the fleet (S21).

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::settings::{Membership, scope};
use crate::fleet::{Fencing as FleetFencing, Fleet};

/// Whom a write is told; nobody, if the layer is in no fleet.
pub(in crate::http) struct WriteFleet(Option<Arc<Fleet>>);

/// A write that is being told.
#[must_use]
#[derive(Default)]
pub(in crate::http) struct Fencing(Option<FleetFencing>);

impl WriteFleet {
    #[inline]
    pub(in crate::http) fn new(membership: &Membership) -> Self {
        Self(membership.fleet().cloned())
    }

    /// Tells the fleet of what was written: paths, or with `grpc` services. It is told also if nobody waits for that.
    pub(in crate::http) fn fence<'a>(&self, grpc: bool, paths: impl IntoIterator<Item = &'a str>) -> Fencing {
        Fencing(self.0.as_ref().map(|fleet| {
            let domain = fleet.domain();
            fleet.fence(paths.into_iter().map(|path| domain.scope(&scope(path, grpc))))
        }))
    }
}

impl Fencing {
    /// Waits until the engine knows of it, for the fleet's budget at most.
    #[inline]
    pub(in crate::http) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            None => Poll::Ready(()),
            Some(fencing) => std::pin::Pin::new(fencing).poll(cx),
        }
    }
}

/// An answer that nobody gets before the fleet has been told.
pub(in crate::http) struct Hold<T>(Option<Box<(T, Fencing)>>);

impl<T> Hold<T> {
    pub(in crate::http) const fn none() -> Self {
        Self(None)
    }

    #[inline]
    pub(in crate::http) const fn is_held(&self) -> bool {
        self.0.is_some()
    }

    #[cold]
    pub(in crate::http) fn keep(&mut self, answer: T, fencing: Fencing) {
        self.0 = Some(Box::new((answer, fencing)));
    }

    /// Waits until the fleet has been told, for its budget at most.
    ///
    /// # Panics
    ///
    /// Panics if nothing is held.
    pub(in crate::http) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let Some(held) = &mut self.0 else { unreachable!("asked of what is held") };
        ready!(held.1.poll(cx));
        match self.0.take() {
            Some(held) => Poll::Ready(held.0),
            None => unreachable!("it was there a moment ago"),
        }
    }
}
