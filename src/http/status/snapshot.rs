//! What a page says at one moment: the JSON that browsers are sent.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{
    history::Calls,
    stripe::{ByName, Counts, FlightCounts},
    waits::Quantiles,
};
use crate::{FlightId, Stats};

/// All that is sent. Times are in milliseconds.
#[derive(Serialize)]
pub(super) struct Snapshot {
    pub(super) version: &'static str,
    /// The time at which the page was made, from 1970 on: another value says that the server was started anew.
    pub(super) made: u64,
    pub(super) up: u64,
    /// Since the page was made, of all routes.
    pub(super) calls: CallsOf,
    pub(super) flights: FlightCounts,
    /// Readers of bodies that held the others up, and were cut.
    pub(super) cut: u64,
    /// What bodies keep for their slower readers just now, of layers whose bodies keep something.
    pub(super) held: Vec<HeldOf>,
    pub(super) now: Now,
    /// In each whole second, the latest last: calls that led, followed and went alone.
    pub(super) seconds: Vec<Calls>,
    pub(super) routes: Vec<RouteOf>,
    #[serde(flatten)]
    pub(super) said: Arc<Said>,
}

/// What the application has said.
#[derive(Default, Serialize)]
pub(super) struct Said {
    pub(super) groups: Vec<GroupOf>,
    pub(super) fleets: Vec<FleetOf>,
    pub(super) sections: Vec<SectionOf>,
}

/// What bodies of a layer keep in memory for their slower readers.
#[derive(Serialize)]
pub(super) struct HeldOf {
    pub(super) name: Arc<str>,
    pub(super) bytes: u64,
}

/// Calls since the page was made.
#[derive(Serialize)]
pub(super) struct CallsOf {
    pub(super) calls: u64,
    pub(super) led: u64,
    pub(super) followed: u64,
    pub(super) alone: ByName,
    pub(super) released: ByName,
    pub(super) answered: u64,
    pub(super) panicked: u64,
    pub(super) left: u64,
    pub(super) saved: u64,
    /// How long the calls that were saved have waited.
    pub(super) saved_wait: u64,
}

/// What is under way.
#[derive(Default, Serialize)]
pub(super) struct Now {
    /// Calls that are not over, those that went alone included.
    pub(super) calls: u64,
    pub(super) flights: u64,
    /// How many flights have how many callers: 1, 2 to 9, 10 to 99, 100 to 999, more. Of those that are listed.
    pub(super) by_callers: [u64; 5],
    pub(super) oldest: Option<FlightOf>,
    /// Those with the most callers, which come first.
    pub(super) largest: Vec<FlightOf>,
}

#[derive(Clone, Serialize)]
pub(super) struct FlightOf {
    #[serde(serialize_with = "as_text")]
    pub(super) flight: FlightId,
    pub(super) route: Arc<str>,
    pub(super) age: u64,
    pub(super) callers: usize,
}

#[derive(Serialize)]
pub(super) struct RouteOf {
    pub(super) route: Arc<str>,
    #[serde(flatten)]
    pub(super) calls: CallsOf,
    /// Of those who were answered in this minute and in the one before, half have waited at most this long.
    pub(super) p50: Option<f64>,
    /// Of these, 99 in a hundred have waited at most this long.
    pub(super) p99: Option<f64>,
}

/// A group that the page was given.
#[derive(Serialize)]
pub(super) struct GroupOf {
    pub(super) group: Arc<str>,
    pub(super) led: u64,
    pub(super) followed: u64,
    pub(super) alone: u64,
    pub(super) saved: u64,
    pub(super) abandoned: u64,
    pub(super) lost: u64,
    pub(super) observers_off: usize,
    pub(super) in_flight: usize,
    pub(super) callers: usize,
    pub(super) waiting: usize,
}

/// A fleet that the page was given. Without the feature `fleet` there is none.
#[derive(Serialize)]
pub(super) struct FleetOf {
    pub(super) fleet: Arc<str>,
    /// Whether its engine is skipped just now.
    pub(super) skipping: bool,
    /// All that `FleetStats` counts, by the names that it has there.
    #[serde(flatten)]
    pub(super) counts: ByName,
    /// Its `local`, by the reasons that there were.
    pub(super) local_by: ByName,
}

/// Text of the application's.
#[derive(Serialize)]
pub(super) struct SectionOf {
    pub(super) title: Arc<str>,
    pub(super) text: String,
}

impl From<&Counts> for CallsOf {
    fn from(counts: &Counts) -> Self {
        Self {
            calls: counts.calls(),
            led: counts.led,
            followed: counts.followed,
            alone: counts.alone.clone(),
            released: counts.released.clone(),
            answered: counts.answered,
            panicked: counts.panicked,
            left: counts.left,
            saved: counts.saved,
            saved_wait: millis(counts.saved_wait),
        }
    }
}

impl RouteOf {
    pub(super) fn new(route: Arc<str>, counts: &Counts, waits: Option<Quantiles>) -> Self {
        let (p50, p99) = (waits.map(|waits| waits.p50), waits.map(|waits| waits.p99));
        Self { route, calls: counts.into(), p50, p99 }
    }
}

impl GroupOf {
    pub(super) fn new(group: Arc<str>, stats: Stats) -> Self {
        Self {
            group,
            led: stats.led,
            followed: stats.followed,
            alone: stats.alone,
            saved: stats.saved(),
            abandoned: stats.abandoned,
            lost: stats.lost,
            observers_off: stats.observers_off,
            in_flight: stats.in_flight,
            callers: stats.callers,
            waiting: stats.waiting,
        }
    }
}

impl Serialize for ByName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn as_text<S: Serializer>(flight: &FlightId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(flight)
}

/// Whole milliseconds.
pub(super) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
