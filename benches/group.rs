//! What a call costs: alone on its flight, joining one, landing with many, and on two threads.
//!
//! `cargo bench --bench group`, or `-- --quick` for a look in passing.

use std::{
    future::pending,
    hint::black_box,
    pin::pin,
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{unconstrained, yield_now},
};
use tower_singleflight::Group;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn work(value: u64) -> BoxFuture<'static, u64> {
    Box::pin(async move { value })
}

fn pending_once(value: u64) -> BoxFuture<'static, u64> {
    Box::pin(async move {
        yield_now().await;
        value
    })
}

/// Polls by hand until it is done.
fn drive<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut cx) {
            return value;
        }
    }
}

fn solo(c: &mut Criterion) {
    let group = Group::new();
    let mut bench = c.benchmark_group("solo");
    bench.bench_function("bare future, ready", |b| b.iter(|| drive(black_box(work(7)))));
    bench.bench_function("call, ready", |b| b.iter(|| drive(group.call(7, || black_box(work(7))))));
    bench.bench_function("bare future, pending once", |b| b.iter(|| drive(black_box(pending_once(7)))));
    bench.bench_function("call, pending once", |b| b.iter(|| drive(group.call(7, || black_box(pending_once(7))))));
}

/// A follower registers, parks and leaves, on a flight that has two callers already.
fn join(c: &mut Criterion) {
    let runtime = runtime();
    let _entered = runtime.enter();
    let group = Group::new();
    let callers = [group.call(7, pending::<u64>), group.call(7, pending)];
    let mut cx = Context::from_waker(Waker::noop());
    c.bench_function("join and leave", |b| {
        b.iter(|| assert!(group.call(7, pending).poll_unpin(&mut cx).is_pending()));
    });
    drop(callers);
    assert!(group.is_empty());
}

/// From the end of the work until the last waiter, parked before, has its outcome.
fn landing(c: &mut Criterion) {
    let runtime = runtime();
    let mut bench = c.benchmark_group("landing");
    bench.sample_size(10);
    for waiters in [1, 1_000, 100_000] {
        bench.throughput(Throughput::Elements(waiters));
        bench.bench_function(BenchmarkId::from_parameter(waiters), |b| {
            let board = || {
                let _entered = runtime.enter();
                let (sender, receiver) = oneshot::channel();
                let group = Group::new();
                let mut cx = Context::from_waker(Waker::noop());
                let mut leader = group.call(7, || async { receiver.await.unwrap_or(0) });
                assert!(leader.poll_unpin(&mut cx).is_pending());
                let mut calls: Vec<_> = (0..waiters).map(|_| group.call(7, pending)).collect();
                for call in &mut calls {
                    assert!(call.poll_unpin(&mut cx).is_pending());
                }
                runtime.block_on(yield_now());
                (sender, leader, calls)
            };
            b.iter_batched(
                board,
                |(sender, leader, calls)| {
                    runtime.block_on(unconstrained(async {
                        sender.send(7).expect("the work waits");
                        black_box(leader.await);
                        for call in calls {
                            black_box(call.await);
                        }
                    }));
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// Makes calls on some threads at once; returns how long the slowest took.
fn threads(threads: u64, calls: u64, key: impl Fn(u64, u64) -> u64 + Sync) -> Duration {
    let (group, barrier, key) = (Group::new(), Barrier::new(threads as usize), &key);
    thread::scope(|scope| {
        let run = |thread: u64| {
            let (group, barrier) = (&group, &barrier);
            move || {
                let runtime = runtime();
                let _entered = runtime.enter();
                barrier.wait();
                let start = Instant::now();
                runtime.block_on(unconstrained(async {
                    for number in 0..calls {
                        black_box(group.call(key(thread, number), || work(7)).await);
                    }
                }));
                start.elapsed()
            }
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(run(thread))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no thread panics")).max().unwrap_or_default()
    })
}

/// The time of one call: on two threads as many calls take half as long, if the threads are not in each other's way.
fn two_threads(c: &mut Criterion) {
    let mut bench = c.benchmark_group("threads");
    bench.bench_function("distinct keys on one", |b| b.iter_custom(|calls| threads(1, calls, |_, number| number)));
    bench.bench_function("distinct keys on two", |b| {
        b.iter_custom(|calls| threads(2, calls.div_ceil(2), |thread, number| 2 * number + thread));
    });
    bench.bench_function("one hot key on two", |b| b.iter_custom(|calls| threads(2, calls.div_ceil(2), |_, _| 7)));
}

criterion_group!(benches, solo, join, landing, two_threads);
criterion_main!(benches);
