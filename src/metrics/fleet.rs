//! What a fleet does, counted.

use std::sync::{Arc, OnceLock};

use metrics::{Gauge, Histogram, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{
    Metered,
    handles::{ByName, labels},
    once,
};
use crate::fleet::{FleetEvent, FleetOperation};

/// Registered with the first event, so that the application's recorder is there.
struct Figures {
    calls: ByName,
    joining: Histogram,
    closing: Histogram,
    untold: Gauge,
}

impl Metered {
    /// Returns an observer for [`Fleet::observed`](crate::fleet::Fleet::observed), under the same name.
    ///
    /// | name | kind | labels |
    /// |---|---|---|
    /// | `singleflight.fleet.calls` | counter: work of flights that asked the fleet | `group`; `how` = `led`, `followed`, or the name of a [`FleetReason`](crate::fleet::FleetReason) |
    /// | `singleflight.fleet.duration` | histogram, seconds that callers waited for the engine | `group`; `op` = `join`, `close` |
    /// | `singleflight.fleet.untold` | gauge: paths and gRPC services whose flights stay in the process until the engine knows of a write | `group` |
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{fleet::{Fleet, MemoryEngine}, metrics::Metered};
    ///
    /// let metered = Metered::new("reports");
    /// let fleet = Fleet::new(MemoryEngine::new(), [7; 32]).observed(metered.fleet());
    /// # drop(fleet);
    /// ```
    pub fn fleet(&self) -> impl Fn(&FleetEvent) + Send + Sync + use<> {
        let (group, figures) = (Arc::clone(&self.group), OnceLock::new());
        move |event| {
            let Figures { calls, joining, closing, untold } = once(&figures, || Figures::new(&group));
            match *event {
                FleetEvent::Asked(role) => calls.increment(role.name()),
                FleetEvent::Waited { operation: FleetOperation::Join, time } => joining.record(time),
                FleetEvent::Waited { operation: FleetOperation::Close, time } => closing.record(time),
                FleetEvent::Untold { scopes } => untold.set(scopes as f64),
            }
        }
    }
}

impl Figures {
    fn new(group: &Arc<str>) -> Self {
        describe_counter!("singleflight.fleet.calls", "Work of flights that asked the fleet, by what came of it");
        describe_histogram!(
            "singleflight.fleet.duration",
            metrics::Unit::Seconds,
            "How long callers waited for the engine of the fleet"
        );
        describe_gauge!(
            "singleflight.fleet.untold",
            "Paths and services whose flights stay in the process until the engine knows of a write"
        );
        let waited = |operation: FleetOperation| {
            histogram!("singleflight.fleet.duration", labels(group, None, &[("op", operation.name())]))
        };
        Self {
            calls: ByName::new("singleflight.fleet.calls", "how", labels(group, None, &[])),
            joining: waited(FleetOperation::Join),
            closing: waited(FleetOperation::Close),
            untold: gauge!("singleflight.fleet.untold", labels(group, None, &[])),
        }
    }
}
