//! What a call costs: alone on its flight, joining one, landing with many, and on two threads.

use std::{
    hint::black_box,
    sync::Barrier,
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{runtime::Runtime, sync::oneshot, task::yield_now};
use tower_singleflight::Group;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn work(value: u64) -> BoxFuture<'static, u64> {
    Box::pin(async move { value })
}

fn solo(c: &mut Criterion) {
    let group = Group::new();
    let mut bench = c.benchmark_group("solo");
    bench.bench_function("bare future", |b| b.iter(|| black_box(work(7)).now_or_never()));
    bench.bench_function("call", |b| b.iter(|| group.call(7, || work(7)).now_or_never()));
}

fn join(c: &mut Criterion) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let group = Group::new();
    let leader = group.call(7, std::future::pending::<u64>);
    let mut cx = Context::from_waker(Waker::noop());
    c.bench_function("join and leave", |b| {
        b.iter(|| {
            let mut call = group.call(7, std::future::pending);
            assert!(call.poll_unpin(&mut cx).is_pending());
        });
    });
    drop(leader);
}

fn landing(c: &mut Criterion) {
    let runtime = runtime();
    let mut bench = c.benchmark_group("landing");
    bench.sample_size(10);
    for waiters in [1, 1_000, 100_000] {
        bench.throughput(Throughput::Elements(waiters));
        bench.bench_function(format!("{waiters} waiters"), |b| {
            b.iter_batched(
                || {
                    runtime.block_on(async {
                        let (sender, receiver) = oneshot::channel();
                        let group = Group::new();
                        let leader = group.call(7, || async { receiver.await.unwrap_or(0) });
                        let calls: Vec<_> = (0..waiters).map(|_| group.call(7, std::future::pending)).collect();
                        yield_now().await;
                        (sender, leader, calls)
                    })
                },
                |(sender, leader, calls)| {
                    runtime.block_on(async {
                        sender.send(7).expect("the work waits");
                        leader.await;
                        for call in calls {
                            black_box(call.await);
                        }
                    });
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// Runs calls on some threads at once; returns how long all took.
fn threads(threads: u64, calls: u64, key: impl Fn(u64, u64) -> u64 + Sync) -> Duration {
    let (group, barrier, key) = (Group::new(), Barrier::new(threads as usize + 1), &key);
    thread::scope(|scope| {
        for thread in 0..threads {
            let (group, barrier) = (&group, &barrier);
            scope.spawn(move || {
                let runtime = runtime();
                runtime.block_on(async {
                    barrier.wait();
                    for call in 0..calls {
                        black_box(group.call(key(thread, call), || work(7)).await);
                    }
                    barrier.wait();
                });
            });
        }
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        start.elapsed()
    })
}

fn two_threads(c: &mut Criterion) {
    let mut bench = c.benchmark_group("threads");
    bench.throughput(Throughput::Elements(1));
    bench.bench_function("distinct keys, 1 thread", |b| b.iter_custom(|calls| threads(1, calls, |_, call| call)));
    bench.bench_function("distinct keys, 2 threads", |b| {
        b.iter_custom(|calls| threads(2, calls.div_ceil(2), |thread, call| 2 * call + thread));
    });
    bench.bench_function("one hot key, 2 threads", |b| b.iter_custom(|calls| threads(2, calls.div_ceil(2), |_, _| 7)));
}

criterion_group!(benches, solo, join, landing, two_threads);
criterion_main!(benches);
