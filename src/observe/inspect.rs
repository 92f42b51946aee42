//! The short form of an observer: what `inspect` of the layers was given.

use std::sync::Arc;

use super::{Observed, Observers};
use crate::Role;

/// Is told role and number of callers, once per call that ends with an outcome.
pub(crate) type Inspect = Arc<Observed<dyn Fn(Role, usize) + Send + Sync>>;

/// The same, with the observers of the service's group.
pub(crate) struct Inspects {
    inspect: Inspect,
    observers: Arc<Observers>,
}

impl Inspects {
    pub(crate) fn new(inspect: Inspect, observers: &Arc<Observers>) -> Arc<Self> {
        Arc::new(Self { inspect, observers: Arc::clone(observers) })
    }

    pub(crate) fn tell(&self, role: Role, callers: usize) {
        self.observers.inspected(&self.inspect, role, callers);
    }
}

impl Observers {
    /// Tells how a call has ended.
    #[cold]
    pub(crate) fn inspected(&self, inspect: &Inspect, role: Role, callers: usize) {
        self.ask(inspect, |inspect| inspect(role, callers));
    }
}
