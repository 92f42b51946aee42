//! What the threads of one stripe have counted.

use std::{sync::Arc, time::Duration};

use hashbrown::HashMap;
use serde::Serialize;

use super::{history::History, routes::Route};
use crate::hasher::KeyHasher;

/// The counts of one route, in one stripe or in all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) led: u64,
    pub(super) followed: u64,
    /// By the rule or the reason.
    pub(super) alone: ByName,
    /// Followers that went alone after all, by the rule or the reason.
    pub(super) released: ByName,
    /// Calls that ended with an outcome.
    pub(super) answered: u64,
    pub(super) panicked: u64,
    pub(super) left: u64,
    /// Answered as followers.
    pub(super) saved: u64,
    /// What those have waited.
    pub(super) saved_wait: Duration,
}

/// Numbers by names, of which there are few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByName(Vec<(&'static str, u64)>);

impl ByName {
    pub(super) fn add(&mut self, why: &'static str, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == why) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((why, count)),
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }
}

impl Counts {
    /// Calls that have begun.
    pub(super) fn calls(&self) -> u64 {
        self.led + self.followed + self.alone.total()
    }

    /// Calls that are over.
    pub(super) fn ended(&self) -> u64 {
        self.answered + self.panicked + self.left
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.led += other.led;
        self.followed += other.followed;
        other.alone.iter().for_each(|(why, count)| self.alone.add(why, count));
        other.released.iter().for_each(|(why, count)| self.released.add(why, count));
        self.answered += other.answered;
        self.panicked += other.panicked;
        self.left += other.left;
        self.saved += other.saved;
        self.saved_wait = self.saved_wait.saturating_add(other.saved_wait);
    }
}

/// How flights have begun and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct FlightCounts {
    pub(super) begun: u64,
    pub(super) landed: u64,
    /// Of those that landed: for more than one caller.
    pub(super) shared: u64,
    pub(super) panicked: u64,
    pub(super) abandoned: u64,
    pub(super) lost: u64,
    pub(super) not_shareable: u64,
}

impl FlightCounts {
    pub(super) fn ended(&self) -> u64 {
        self.landed + self.panicked + self.abandoned + self.lost + self.not_shareable
    }

    pub(super) fn add(&mut self, other: Self) {
        self.begun += other.begun;
        self.landed += other.landed;
        self.shared += other.shared;
        self.panicked += other.panicked;
        self.abandoned += other.abandoned;
        self.lost += other.lost;
        self.not_shareable += other.not_shareable;
    }
}

/// The counts of some threads: as a rule, no two of them count here at one moment.
pub(super) struct Stripe {
    /// By their names.
    pub(super) routes: HashMap<Arc<str>, (Arc<Route>, Counts), KeyHasher>,
    pub(super) totals: Totals,
}

/// What is counted of all routes together.
pub(super) struct Totals {
    pub(super) history: History,
    pub(super) flights: FlightCounts,
}

impl Stripe {
    pub(super) fn new() -> Self {
        let totals = Totals { history: History::new(), flights: FlightCounts::default() };
        Self { routes: HashMap::with_hasher(KeyHasher::new()), totals }
    }
}
