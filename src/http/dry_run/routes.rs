//! What was found, route by route: a fixed number of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{answer::Compared, difference::Difference, route::Route, tally::Tally};
use crate::http::rule::Rule;

/// How many routes are kept; when there are more, the one that was seen least leaves.
const ROUTES: usize = 256;

/// What the report is told of one request, or of two that were compared.
pub(super) enum Noted {
    Led(Route),
    Followed(Route),
    /// A request went alone, or would have after it had waited, by this rule; `None`: by a limit.
    Alone(Route, Option<Rule>),
    /// A request would have had its leader's answer.
    Saved(Route),
    /// The call of such a request took so long.
    Time(Route, Duration),
    Compared {
        difference: Difference,
        compared: Compared,
        is_finding: bool,
    },
    Left(Route),
    LeaderLeft(Route),
    NotRead(Route),
    /// There was no place for it.
    Full,
}

#[derive(Default)]
pub(super) struct Routes {
    tallies: HashMap<Route, Tally>,
    pub(super) full: u64,
    /// How many routes have left.
    pub(super) forgotten: u64,
}

impl Routes {
    /// Notes what was found; returns the differences to be told.
    pub(super) fn note(&mut self, events: Vec<Noted>) -> Vec<Difference> {
        events.into_iter().filter_map(|event| self.note_one(event)).collect()
    }

    fn note_one(&mut self, event: Noted) -> Option<Difference> {
        match event {
            Noted::Led(route) => self.of(&route).led += 1,
            Noted::Followed(route) => self.of(&route).followed += 1,
            Noted::Alone(route, rule) => self.of(&route).alone(rule),
            Noted::Saved(route) => self.of(&route).saved += 1,
            Noted::Time(route, took) => {
                let tally = self.of(&route);
                tally.saved_time = tally.saved_time.saturating_add(took);
            }
            Noted::Compared { difference, compared, is_finding } => {
                let tally = self.of(&difference.route);
                tally.pair(&difference, &compared);
                let differs = is_finding && tally.found(&compared);
                return differs.then_some(difference);
            }
            Noted::Left(route) => self.of(&route).left += 1,
            Noted::LeaderLeft(route) => self.of(&route).leader_left += 1,
            Noted::NotRead(route) => self.of(&route).not_read += 1,
            Noted::Full => self.full += 1,
        }
        None
    }

    /// Notes a request.
    pub(super) fn request(&mut self, route: &Route) {
        self.of(route).requests += 1;
    }

    fn of(&mut self, route: &Route) -> &mut Tally {
        if self.tallies.len() >= ROUTES && !self.tallies.contains_key(route) {
            let least = self.tallies.iter().min_by_key(|(_, tally)| tally.requests).map(|(route, _)| Arc::clone(route));
            self.forgotten += u64::from(least.is_some_and(|route| self.tallies.remove(&route).is_some()));
        }
        self.tallies.entry(Arc::clone(route)).or_default()
    }

    pub(super) fn tallies(&self) -> impl Iterator<Item = (&Route, &Tally)> {
        self.tallies.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_routes_the_least_seen_leaves() {
        let mut routes = Routes::default();
        let seen: Route = "/seen".into();
        (0..3).for_each(|_| routes.request(&seen));
        (0..1000).for_each(|number| routes.request(&format!("/{number}").into()));
        assert_eq!(routes.tallies.len(), ROUTES);
        assert_eq!(routes.tallies[&seen].requests, 3);
        assert_eq!(routes.forgotten, 1001 - ROUTES as u64);
    }
}
