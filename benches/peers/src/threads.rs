//! Distinct keys on two threads: do they get in each other's way?

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::{adapters::Adapter, solo::drive};

const CALLS: u64 = 50_000;

/// Returns the throughput of two threads over that of one.
pub fn ratio<A: Adapter>() -> f64 {
    let one = elapsed::<A>(1);
    let two = elapsed::<A>(2);
    2.0 * one.as_secs_f64() / two.as_secs_f64()
}

/// Every thread makes as many calls, so twice the threads do twice the work. The slower thread counts.
fn elapsed<A: Adapter>(threads: u64) -> Duration {
    let (adapter, barrier) = (A::new(), Barrier::new(threads as usize));
    thread::scope(|scope| {
        let work = |thread: u64| {
            let (adapter, barrier) = (adapter.clone(), &barrier);
            move || {
                let call = |number: u64| {
                    let key = number * threads + thread;
                    black_box(drive(adapter.call(key, Box::pin(async move { key }))));
                };
                (0..CALLS / 8).for_each(call);
                barrier.wait();
                let start = Instant::now();
                (0..CALLS).for_each(call);
                start.elapsed()
            }
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no thread panics")).max().unwrap_or_default()
    })
}
