//! What the application adds to the page: groups, fleets, and text of its own.

use std::sync::Arc;

use super::snapshot::FleetOf;
use crate::{Stats, observe::Observed};

type StatsFn = dyn Fn() -> Stats + Send + Sync;
/// Gets the name of the row.
pub(super) type FleetFn = dyn Fn(Arc<str>) -> FleetOf + Send + Sync;
type TextFn = dyn Fn() -> String + Send + Sync;

/// Asked for each snapshot, in this order, and never under a lock; what panics is asked no more.
#[derive(Clone, Default)]
pub(super) struct Sources {
    pub(super) groups: Vec<Source<StatsFn>>,
    pub(super) fleets: Vec<Source<FleetFn>>,
    pub(super) sections: Vec<Source<TextFn>>,
}

pub(super) struct Source<F: ?Sized> {
    pub(super) name: Arc<str>,
    pub(super) ask: Arc<Observed<F>>,
}

impl<F: ?Sized> Clone for Source<F> {
    fn clone(&self) -> Self {
        Self { name: Arc::clone(&self.name), ask: Arc::clone(&self.ask) }
    }
}
