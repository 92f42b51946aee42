//! Distinct keys on two threads: do they get in each other's way?

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::{adapters::Adapter, solo::drive};

/// For how long the threads call. In the first milliseconds both may be on one core, until the scheduler moves one.
const TIME: Duration = Duration::from_millis(60);

/// How many calls are made between two looks at the clock.
const BATCH: u64 = 200;

/// The throughput of two threads over that of one.
#[derive(Clone, Copy)]
pub struct Ratio {
    /// Each thread calls a key of its own, again and again.
    pub own: f64,
    /// Each call has a key of its own, so both threads use each part of the group equally often.
    pub fresh: f64,
}

pub fn ratio<A: Adapter>() -> Ratio {
    Ratio { own: once::<A>(|_, thread| thread), fresh: once::<A>(|number, thread| 2 * number + thread) }
}

fn once<A: Adapter>(key: fn(u64, u64) -> u64) -> f64 {
    let one = calls::<A>(1, key);
    calls::<A>(2, key) / one
}

/// Returns how many calls a second the threads make in all.
fn calls<A: Adapter>(threads: u64, key: fn(u64, u64) -> u64) -> f64 {
    let (adapter, barrier) = (A::new(), Barrier::new(threads as usize));
    thread::scope(|scope| {
        let work = |thread: u64| {
            let (adapter, barrier) = (adapter.clone(), &barrier);
            move || {
                let call = |number: u64| {
                    let key = key(number, thread);
                    black_box(drive(adapter.call(key, Box::pin(async move { key }))));
                };
                let mut made = 0;
                let mut call_for = |time| {
                    let (before, start) = (made, Instant::now());
                    while start.elapsed() < time {
                        (made..made + BATCH).for_each(call);
                        made += BATCH;
                    }
                    (made - before) as f64 / start.elapsed().as_secs_f64()
                };
                call_for(TIME / 8);
                barrier.wait();
                call_for(TIME)
            }
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no thread panics")).sum()
    })
}
