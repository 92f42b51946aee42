//! Distinct keys on two threads: do they get in each other's way?

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use crate::peer::Peer;

/// Returns the throughput of two threads over that of one.
pub fn ratio<P: Peer>(calls: u64) -> f64 {
    let one = elapsed::<P>(1, calls);
    let two = elapsed::<P>(2, calls);
    2.0 * one.as_secs_f64() / two.as_secs_f64()
}

fn elapsed<P: Peer>(threads: u64, calls: u64) -> Duration {
    let (peer, barrier) = (P::new(), Barrier::new(threads as usize + 1));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (peer, barrier) = (peer.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for key in 0..calls {
                        let key = key * threads + thread;
                        let mut call = Box::pin(peer.call(key, Box::pin(async move { key })));
                        while (&mut call).now_or_never().is_none() {}
                    }
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        workers.into_iter().for_each(|worker| worker.join().expect("no thread panics"));
        start.elapsed()
    })
}
