//! What it costs to be observed, and to be left out of a dry run's sample.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit, set_global_recorder,
};
use tower_singleflight::{
    Event, Group, HttpSingleflightLayer, Observer,
    http::{DryRun, HttpEvent, HttpObserver},
    metrics::Metered,
};

use super::{
    group::{drive, work},
    http,
};

/// An observer that does nothing.
struct Nothing;

impl Observer for Nothing {
    fn on(&self, _: &Event<'_>) {}
}

impl HttpObserver for Nothing {
    fn on_http(&self, _: &HttpEvent<'_>) {}
}

/// A recorder that keeps each figure in one atomic number; of a histogram, the number of its values.
struct Least;

struct Values(AtomicU64);

impl HistogramFn for Values {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Recorder for Least {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(AtomicU64::new(0)))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(AtomicU64::new(0)))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(AtomicU64::new(0))))
    }
}

fn metered_by() -> Metered {
    assert!(set_global_recorder(Least).is_ok(), "one case in each process");
    Metered::new("bench")
}

fn solo_on(group: &Group<u64, u64>, times: u64) {
    for key in 0..times {
        drive(group.call(key, || black_box(work(7))));
    }
}

pub(super) fn observed(times: u64) {
    solo_on(&Group::new().observed(Nothing), times);
}

pub(super) fn metered(times: u64) {
    solo_on(&Group::new().observed(metered_by()), times);
}

pub(super) fn lone_observed(times: u64) {
    http::layered_by(HttpSingleflightLayer::new().observe(Nothing), times, http::lone);
}

pub(super) fn lone_metered(times: u64) {
    http::layered_by(HttpSingleflightLayer::new().observe(metered_by()), times, http::lone);
}

pub(super) fn unwatched(times: u64) {
    http::layered_by(HttpSingleflightLayer::new().dry_run(DryRun::new().sample(0, 1)), times, http::lone);
}
