//! What the observers of a fleet are told.

use std::time::Duration;

use tokio::time::Instant;

use super::role::FleetRole;
use crate::observe::Observers;

/// What a process does in its fleet, as an observer is told it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FleetEvent {
    /// The work of a flight has asked, and this came of it. Work that may not leave the process does not ask.
    Asked(FleetRole),
    /// A caller has waited for the engine, for this long.
    Waited {
        /// What for.
        operation: FleetOperation,
        /// From asking to the reply, or until the budget was spent.
        time: Duration,
    },
    /// A write waits to be told to the engine, or waits no longer. The last such event has the number that holds now.
    Untold {
        /// How many paths and gRPC services have a write that the engine does not know of, so that their flights stay in the
        /// process: [`FleetStats::untold`](super::FleetStats::untold).
        scopes: usize,
    },
}

/// An operation that a caller waits for, for the budget at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetOperation {
    /// To join a flight, or to lead one.
    Join,
    /// To end the time in which the flight that it leads can be joined.
    Close,
}

impl FleetOperation {
    /// Returns its name, as labels of metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Close => "close",
        }
    }
}

/// An observer, without its place in the list.
pub(super) type Watcher = dyn Fn(&FleetEvent) + Send + Sync;

/// The observers of a fleet, as a rule none.
pub(super) type Watchers = Observers<Watcher>;

pub(super) fn tell(watchers: &Watchers, event: &FleetEvent) {
    if let Some(watchers) = watchers.any() {
        watchers.each(usize::MAX, |watcher| watcher(event));
    }
}

/// Measures how long an operation takes; nothing, if nobody watches.
pub(super) struct Stopwatch {
    operation: FleetOperation,
    began: Option<Instant>,
}

impl Stopwatch {
    pub(super) fn begin(watchers: &Watchers, operation: FleetOperation) -> Self {
        Self { operation, began: watchers.any().map(|_| Instant::now()) }
    }

    pub(super) fn end(&mut self, watchers: &Watchers) {
        if let Some(began) = self.began.take() {
            tell(watchers, &FleetEvent::Waited { operation: self.operation, time: began.elapsed() });
        }
    }
}
