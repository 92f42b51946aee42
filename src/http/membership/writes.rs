//! Writes over HTTP, told to the fleet (S21).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::settings::{Membership, scope};
use crate::{
    fleet::{Fencing as FleetFencing, Fleet},
    sync::{Mutex, lock},
};

/// The fleets that are told of what is written through a group: those of all layers whose services are in it.
#[derive(Default)]
pub(in crate::http) struct Fleets(Mutex<Vec<Arc<Fleet>>>);

/// A write that is being told.
#[must_use]
#[derive(Default)]
pub(in crate::http) struct Fencing(Vec<FleetFencing>);

impl Fleets {
    pub(in crate::http) fn add(&self, membership: &Membership) {
        let Some(fleet) = membership.fleet() else { return };
        let mut fleets = lock(&self.0);
        if !fleets.iter().any(|known| known.meets(fleet)) {
            fleets.push(Arc::clone(fleet));
        }
    }

    /// Tells the fleets of what was written: paths, or with `grpc` services. They are told even if nobody waits for
    /// that.
    pub(in crate::http) fn fence<'a>(&self, grpc: bool, paths: impl Iterator<Item = &'a str> + Clone) -> Fencing {
        let fleets = lock(&self.0).clone();
        let fencing = fleets.iter().map(|fleet| {
            let domain = fleet.domain();
            fleet.fence(paths.clone().map(|path| scope(domain, path, grpc)))
        });
        Fencing(fencing.collect())
    }
}

impl Fencing {
    /// Waits until the engines know of it, for the fleets' budgets at most.
    #[inline]
    pub(in crate::http) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|fencing| Pin::new(fencing).poll(cx).is_pending());
        if self.0.is_empty() { Poll::Ready(()) } else { Poll::Pending }
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
