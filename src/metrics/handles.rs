//! What is registered with the recorder, once, so that an event looks nothing up.

use std::{
    array,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::{End, Role};

/// The labels of a figure.
pub(super) fn labels(group: &Arc<str>, route: Option<&str>, more: &[(&'static str, &'static str)]) -> Vec<Label> {
    let own =
        [Some(Label::new("group", String::from(&**group))), route.map(|route| Label::new("route", route.to_owned()))];
    own.into_iter().flatten().chain(more.iter().map(|(name, value)| Label::from_static_parts(name, value))).collect()
}

/// What is counted by flight.
pub(super) struct Flights {
    pub(super) in_flight: Gauge,
    pub(super) waiting: Gauge,
    #[cfg(feature = "http")]
    pub(super) bodies: Bodies,
    callers: Histogram,
    ends: [(Counter, Histogram); 6],
}

/// How flights end; the first two have landed.
const ENDS: [&str; 6] = ["solo", "shared", "not_shareable", "panicked", "abandoned", "lost"];

impl Flights {
    pub(super) fn new(group: &Arc<str>) -> Self {
        describe();
        let end = |index: usize| {
            let labels = labels(group, None, &[("end", ENDS[index])]);
            let duration = histogram!("singleflight.flight.duration", labels.clone());
            (counter!("singleflight.flights", labels), duration)
        };
        Self {
            in_flight: gauge!("singleflight.in_flight", labels(group, None, &[])),
            waiting: gauge!("singleflight.waiting", labels(group, None, &[])),
            #[cfg(feature = "http")]
            bodies: Bodies::new(group),
            callers: histogram!("singleflight.callers", labels(group, None, &[])),
            ends: array::from_fn(end),
        }
    }

    pub(super) fn landed(&self, shared: bool, took: Duration, callers: usize) {
        self.callers.record(callers as f64);
        self.end(usize::from(shared), took);
    }

    pub(super) fn ended(&self, how: End, took: Duration) {
        let index = match how {
            End::NotShareable => 2,
            End::Panicked => 3,
            End::Abandoned => 4,
            End::Lost => 5,
        };
        self.end(index, took);
    }

    fn end(&self, index: usize, took: Duration) {
        let (count, duration) = &self.ends[index];
        count.increment(1);
        duration.record(took);
        self.in_flight.decrement(1.0);
    }
}

/// What is counted of shared bodies.
#[cfg(feature = "http")]
pub(super) struct Bodies {
    pub(super) readers: Histogram,
    pub(super) lagged: Counter,
    pub(super) held: Gauge,
}

#[cfg(feature = "http")]
impl Bodies {
    fn new(group: &Arc<str>) -> Self {
        Self {
            readers: histogram!("singleflight.body.readers", labels(group, None, &[])),
            lagged: counter!("singleflight.body.lagged", labels(group, None, &[])),
            held: gauge!("singleflight.body.held", labels(group, None, &[])),
        }
    }
}

/// Who left or panicked: only followers are calls that would have been saved.
const FOLLOWER: [(&str, &str); 2] = [("follower", "false"), ("follower", "true")];

/// What is counted by call, of one route or of all.
pub(super) struct Route {
    pub(super) leader: Counter,
    pub(super) follower: Counter,
    pub(super) alone: ByName,
    pub(super) released: ByName,
    left: [Counter; 2],
    panicked: [Counter; 2],
    waits: [Histogram; 3],
}

impl Route {
    pub(super) fn new(group: &Arc<str>, route: Option<&str>) -> Self {
        describe();
        let plain = || labels(group, route, &[]);
        let role = |role| labels(group, route, &[("role", role)]);
        Self {
            leader: counter!("singleflight.calls", role("leader")),
            follower: counter!("singleflight.calls", role("follower")),
            alone: ByName::new("singleflight.calls", "why", role("alone")),
            released: ByName::new("singleflight.released", "why", plain()),
            left: FOLLOWER.map(|follower| counter!("singleflight.left", labels(group, route, &[follower]))),
            panicked: FOLLOWER.map(|follower| counter!("singleflight.panicked", labels(group, route, &[follower]))),
            waits: ["leader", "follower", "alone"].map(|name| histogram!("singleflight.wait.duration", role(name))),
        }
    }

    pub(super) fn left(&self, follower: bool) {
        self.left[usize::from(follower)].increment(1);
    }

    pub(super) fn panicked(&self, follower: bool) {
        self.panicked[usize::from(follower)].increment(1);
    }

    pub(super) fn waited(&self, by: Role, time: Duration) {
        let index = match by {
            Role::Leader => 0,
            Role::Follower => 1,
            Role::Alone(_) => 2,
        };
        self.waits[index].record(time);
    }
}

/// A counter with a label whose values are names in the code: few.
pub(super) struct ByName {
    name: &'static str,
    label: &'static str,
    labels: Vec<Label>,
    /// A leaf lock: what is counted is registered and raised without it.
    counters: RwLock<HashMap<&'static str, Counter>>,
}

impl ByName {
    pub(super) fn new(name: &'static str, label: &'static str, labels: Vec<Label>) -> Self {
        Self { name, label, labels, counters: RwLock::default() }
    }

    pub(super) fn increment(&self, value: &'static str) {
        let known = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(value).cloned();
        if let Some(counter) = known {
            return counter.increment(1);
        }
        let labels = self.labels.iter().cloned().chain([Label::from_static_parts(self.label, value)]);
        let counter = counter!(self.name, labels.collect::<Vec<_>>());
        counter.increment(1);
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        counters.entry(value).or_insert_with(|| counter.clone());
        // Released before `counter` is dropped, which runs the recorder's code.
        drop(counters);
    }
}

/// Says what the figures are, to a recorder that shows it.
fn describe() {
    describe_counter!("singleflight.calls", "Calls, by the part that each had when it was made");
    describe_counter!("singleflight.released", "Followers that ran their own work after all");
    describe_counter!("singleflight.left", "Calls whose callers left");
    describe_counter!("singleflight.panicked", "Calls in which a panic of the work was raised again");
    describe_counter!("singleflight.flights", "Flights, by their end");
    describe_counter!("singleflight.body.lagged", "Readers of a body that were cut since they held others up");
    describe_histogram!("singleflight.body.readers", "Readers of each body that several read");
    describe_gauge!(
        "singleflight.body.held",
        Unit::Bytes,
        "What shared bodies keep in memory for their slower readers"
    );
    describe_histogram!("singleflight.flight.duration", Unit::Seconds, "From the leader's call to the flight's end");
    describe_histogram!("singleflight.wait.duration", Unit::Seconds, "From the call to its answer");
    describe_histogram!("singleflight.callers", "Callers of each flight that landed");
    describe_gauge!("singleflight.in_flight", "Flights under way");
    describe_gauge!("singleflight.waiting", "Callers that follow another's flight");
}
