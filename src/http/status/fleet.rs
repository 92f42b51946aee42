//! The fleets on the page: the one place where it knows the feature `fleet`.

use std::sync::Arc;

use super::{
    StatusPage,
    snapshot::FleetOf,
    sources::{FleetFn, Source},
    stripe::ByName,
};
use crate::{
    fleet::{Fleet, FleetReason, FleetStats},
    observe::{Observed, label::cut},
};

impl StatusPage {
    /// Adds a row to the page's table of fleets: what [`Fleet::stats`] says, and why flights ran without the fleet.
    ///
    /// What a process does in a fleet is counted once for all handles of it, whatever they are called. This value and its
    /// later clones show it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{HttpSingleflightLayer, fleet::{Fleet, MemoryEngine}, http::StatusPage};
    ///
    /// let fleet = Fleet::new(MemoryEngine::new(), [7; 32]); // in production, an engine that all machines reach
    /// let page = StatusPage::new();
    /// let layer = HttpSingleflightLayer::new().observe(page.clone()).fleet(fleet.clone(), "reports");
    /// let page = page.fleet("reports", fleet);
    /// # drop((layer, page));
    /// ```
    #[must_use]
    pub fn fleet(self, name: &str, fleet: Fleet) -> Self {
        let ask: Arc<Observed<FleetFn>> = Observed::new(move |name| FleetOf::new(name, &fleet));
        self.with(|sources| sources.fleets.push(Source { name: cut(name).into(), ask }))
    }
}

impl FleetOf {
    fn new(fleet: Arc<str>, of: &Fleet) -> Self {
        // By name and in full, so that a new count is not left out here.
        let FleetStats {
            led,
            landed,
            followed,
            local,
            without_engine,
            lost,
            bad_messages,
            unfenced,
            skipping,
            untold,
            observers_off,
        } = of.stats();
        let mut counts = ByName::default();
        for (name, count) in [
            ("led", led),
            ("landed", landed),
            ("followed", followed),
            ("local", local),
            ("without_engine", without_engine),
            ("lost", lost),
            ("bad_messages", bad_messages),
            ("unfenced", unfenced),
            ("untold", untold as u64),
            ("observers_off", observers_off as u64),
        ] {
            counts.add(name, count);
        }
        let mut local_by = ByName::default();
        for reason in FleetReason::ALL {
            let flights = of.local(reason);
            if flights > 0 {
                local_by.add(reason.name(), flights);
            }
        }
        Self { fleet, skipping, counts, local_by }
    }
}
