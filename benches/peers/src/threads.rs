//! Distinct keys on two threads: do they get in each other's way?

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::{adapters::Adapter, solo::drive};

const CALLS: u64 = 50_000;

/// The throughput of two threads over that of one.
#[derive(Clone, Copy)]
pub struct Ratio {
    /// Each thread calls a key of its own, again and again.
    pub own: f64,
    /// Each call has a key of its own: whichever part of the group it comes to, the other thread was there as often.
    pub fresh: f64,
}

pub fn ratio<A: Adapter>() -> Ratio {
    Ratio { own: once::<A>(|_, thread| thread), fresh: once::<A>(|number, thread| 2 * number + thread) }
}

fn once<A: Adapter>(key: fn(u64, u64) -> u64) -> f64 {
    let one = elapsed::<A>(1, key);
    let two = elapsed::<A>(2, key);
    2.0 * one.as_secs_f64() / two.as_secs_f64()
}

/// Every thread makes as many calls, so twice the threads do twice the work. The slower thread counts.
fn elapsed<A: Adapter>(threads: u64, key: fn(u64, u64) -> u64) -> Duration {
    let (adapter, barrier) = (A::new(), Barrier::new(threads as usize));
    thread::scope(|scope| {
        let work = |thread: u64| {
            let (adapter, barrier) = (adapter.clone(), &barrier);
            move || {
                let call = |number: u64| {
                    let key = key(number, thread);
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
