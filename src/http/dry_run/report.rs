//! What a dry run has found, to read.

mod json;
mod table;

use std::time::Duration;

use super::{
    cause::{Cause, Explained},
    inputs::{Input, remedies},
    route::Route,
    tally::Tally,
};
use crate::http::rule::Rule;

/// What a dry run has found, route by route, the most dangerous first; returned by
/// [`HttpSingleflightLayer::dry_run_report`](crate::HttpSingleflightLayer::dry_run_report).
///
/// Printed, it is a table for a terminal. All numbers are of the sample that was watched.
#[derive(Clone, Debug, Default)]
pub struct Report {
    totals: Totals,
    routes: Vec<RouteReport>,
}

/// What belongs to no single route.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) seconds: f64,
    pub(super) sample: (u32, u32),
    pub(super) requests: u64,
    pub(super) unwatched: u64,
    pub(super) full: u64,
    pub(super) panicked: u64,
    /// `on_difference` has panicked.
    pub(super) is_off: bool,
    /// Shadow flights that can be joined now, and requests that are watched now.
    pub(super) flights: usize,
    pub(super) watched: usize,
    /// Routes that have left the table.
    pub(super) forgotten: u64,
}

/// What was found on one route.
#[derive(Clone, Debug)]
pub struct RouteReport {
    route: Route,
    tally: Tally,
    explained: Explained,
}

/// How dangerous it would be to switch the layer on for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Colour {
    /// The key is unsafe: answers differ that would have been shared, and so does an input that is not in the key.
    Red,
    /// Answers differ that would have been shared, and nothing that requests show explains it: a clock, a nonce, a
    /// write in between, or what only the server knows of a caller.
    Yellow,
    /// Nothing was compared: rules keep its requests or its answers from being shared, or no two came at the same time.
    Grey,
    /// All answers that were compared are the same.
    Green,
}

impl Report {
    pub(super) fn new<'a>(totals: Totals, tallies: impl Iterator<Item = (&'a Route, &'a Tally)>) -> Self {
        let report = |(route, tally): (&Route, &Tally)| RouteReport {
            route: route.clone(),
            explained: tally.pairs.explain(),
            tally: tally.clone(),
        };
        let mut routes: Vec<_> = tallies.map(report).collect();
        let rank = |route: &RouteReport| (route.colour(), u64::MAX - route.requests(), route.route.clone());
        routes.sort_by_cached_key(rank);
        Self { totals, routes }
    }

    /// Returns what was found on each route, the most dangerous first.
    pub fn routes(&self) -> &[RouteReport] {
        &self.routes
    }

    /// Returns how many requests have come.
    pub fn requests(&self) -> u64 {
        self.totals.requests
    }

    /// Returns how many of them were not watched since they are not in the sample.
    pub fn unwatched(&self) -> u64 {
        self.totals.unwatched
    }

    /// Returns how many of them were not watched since there was no place for them.
    pub fn full(&self) -> u64 {
        self.totals.full
    }

    /// Returns how often a function of the application that decides what is shared has panicked.
    pub fn panicked(&self) -> u64 {
        self.totals.panicked
    }

    /// Returns whether `on_difference` has panicked, and is not called any more.
    pub fn is_on_difference_off(&self) -> bool {
        self.totals.is_off
    }

    /// Returns how many shadow flights could be joined, and how many requests were watched, when the report was made.
    pub fn under_way(&self) -> (usize, usize) {
        (self.totals.flights, self.totals.watched)
    }

    /// Returns how many calls of the wrapped service would have been saved.
    pub fn saved(&self) -> u64 {
        self.routes.iter().map(RouteReport::saved).sum()
    }

    /// Returns for how long those calls ran, in sum.
    pub fn saved_time(&self) -> Duration {
        self.routes.iter().map(RouteReport::saved_time).sum()
    }
}

impl RouteReport {
    /// Returns the route: what the router matched, or `other`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Returns how dangerous it would be to switch the layer on here.
    pub fn colour(&self) -> Colour {
        match (self.tally.different, self.tally.same) {
            (0, 0) => Colour::Grey,
            (0, _) => Colour::Green,
            _ if self.explained.causes.is_empty() => Colour::Yellow,
            _ => Colour::Red,
        }
    }

    /// Returns how many requests were watched.
    pub fn requests(&self) -> u64 {
        self.tally.requests
    }

    /// Returns how many flights there would have been, which is how often the wrapped service would have been called for
    /// them.
    pub fn led(&self) -> u64 {
        self.tally.led
    }

    /// Returns how many requests would have joined a flight.
    pub fn followed(&self) -> u64 {
        self.tally.followed
    }

    /// Returns how many of them would have had its answer: so many calls would have been saved.
    pub fn saved(&self) -> u64 {
        self.tally.saved
    }

    /// Returns for how long those calls ran, in sum.
    pub fn saved_time(&self) -> Duration {
        self.tally.saved_time
    }

    /// Returns how many of them got the same answer.
    pub fn same(&self) -> u64 {
        self.tally.same
    }

    /// Returns how many of them got another one.
    pub fn different(&self) -> u64 {
        self.tally.different
    }

    /// Returns how many of them were looked at and not compared to the end: their answers are larger than what is compared,
    /// or failures; or one of the two was cut.
    pub fn not_compared(&self) -> (u64, u64) {
        (self.tally.not_compared, self.tally.cut)
    }

    /// Returns how many callers left before their flight would have landed, and how many flights ended since their leader
    /// left, counted by followers.
    pub fn left(&self) -> (u64, u64) {
        (self.tally.left, self.tally.leader_left)
    }

    /// Returns how many requests were answered before their content had been read, or came in pieces that `content_if`
    /// cannot be asked of.
    pub fn not_read(&self) -> u64 {
        self.tally.not_read
    }

    /// Returns how many requests would have gone alone by a limit, at once or after they had waited.
    pub fn limited(&self) -> u64 {
        self.tally.limited
    }

    /// Returns how many requests would have gone alone by a rule, at once or after they had waited.
    pub fn alone(&self) -> &[(Rule, u64)] {
        &self.tally.alone
    }

    /// Returns the inputs that explain why answers differ, the best explanation first.
    pub fn causes(&self) -> &[Cause] {
        &self.explained.causes
    }

    /// Returns which options of the layer would make the route safe, if its answers differ: those of the
    /// [`causes`](Self::causes), or `identity(..)` where none is known; and `coalesce_if(..)`, which keeps it alone.
    pub fn remedies(&self) -> Vec<String> {
        match self.colour() {
            Colour::Red | Colour::Yellow => remedies(self.causes().iter().map(Cause::input)),
            Colour::Grey | Colour::Green => Vec::new(),
        }
    }

    /// Returns inputs that may matter too, which cannot be told: answers differ whatever they are.
    pub fn suspects(&self) -> &[Input] {
        &self.explained.suspects
    }
}

impl Colour {
    /// Returns its name, in small letters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Yellow => "yellow",
            Self::Grey => "grey",
            Self::Green => "green",
        }
    }
}
