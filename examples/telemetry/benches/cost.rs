//! What watching costs a call that nobody shares: `cargo bench -p telemetry`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_singleflight::{Event, Group, Observer, metrics::Metered};

struct Nothing;

impl Observer for Nothing {
    fn on(&self, _: &Event<'_>) {}
}

fn call(group: &Group<u64, u64>) -> Option<u64> {
    group.call(black_box(7), || async { 1 }).now_or_never().map(|outcome| outcome.value)
}

/// What `Metered` has the recorder do for a call that nobody shares, without the rest.
struct Recorded {
    calls: Counter,
    flights: Counter,
    in_flight: Gauge,
    times: [Histogram; 2],
    callers: Histogram,
}

impl Recorded {
    fn new() -> Self {
        Self {
            calls: counter!("calls"),
            flights: counter!("flights"),
            in_flight: gauge!("in_flight"),
            times: [histogram!("flight"), histogram!("wait")],
            callers: histogram!("callers"),
        }
    }

    fn call(&self, took: Duration) {
        self.in_flight.increment(1.0);
        self.calls.increment(1);
        self.callers.record(1.0);
        self.flights.increment(1);
        self.in_flight.decrement(1.0);
        self.times.iter().for_each(|time| time.record(took));
    }
}

/// Measures calls whose samples are added up after every 10,000, as an exporter's upkeep does now and then: else the memory in
/// which the recorder keeps them would be measured too. The time of that is left out.
fn with_upkeep<R>(b: &mut Bencher<'_>, recorder: &PrometheusHandle, call: impl Fn() -> R) {
    b.iter_custom(|iterations| {
        let mut took = Duration::ZERO;
        let mut left = iterations;
        while left > 0 {
            let calls = left.min(10_000);
            let start = Instant::now();
            for _ in 0..calls {
                black_box(call());
            }
            took += start.elapsed();
            recorder.run_upkeep();
            left -= calls;
        }
        took
    });
}

fn cost(c: &mut Criterion) {
    let mut solo = c.benchmark_group("solo");
    let plain = Group::new();
    solo.bench_function("without an observer", |b| b.iter(|| call(&plain)));
    let observed = Group::new().observed(Nothing);
    solo.bench_function("with one that does nothing", |b| b.iter(|| call(&observed)));
    let metered = Group::new().observed(Metered::new("without a recorder"));
    solo.bench_function("metered, without a recorder", |b| b.iter(|| call(&metered)));
    let recorder = PrometheusBuilder::new().set_buckets(&[0.001, 0.01, 0.1, 1.0]).expect("buckets").build_recorder();
    let metered = Group::new().observed(Metered::new("with a recorder"));
    with_local_recorder(&recorder, || call(&metered));
    let handle = recorder.handle();
    solo.bench_function("metered, with a recorder", |b| with_upkeep(b, &handle, || call(&metered)));
    let recorded = with_local_recorder(&recorder, Recorded::new);
    solo.bench_function("the recorder alone, without a call", |b| {
        with_upkeep(b, &handle, || recorded.call(black_box(Duration::from_nanos(100))));
    });
    solo.bench_function("one look at the clock", |b| b.iter(Instant::now));
    solo.finish();
    black_box(handle.render());
}

criterion_group!(benches, cost);
criterion_main!(benches);
