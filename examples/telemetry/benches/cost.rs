//! What watching costs a call that nobody shares: `cargo bench -p telemetry`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower_singleflight::{Event, Group, Observer, metrics::Metered};

struct Nothing;

impl Observer for Nothing {
    fn on(&self, _: &Event<'_>) {}
}

fn call(group: &Group<u64, u64>) -> Option<u64> {
    group.call(black_box(7), || async { 1 }).now_or_never().map(|outcome| outcome.value)
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
    solo.bench_function("metered, with a recorder", |b| b.iter(|| call(&metered)));
    solo.finish();
    black_box(recorder.handle().render());
}

criterion_group!(benches, cost);
criterion_main!(benches);
