//! A call that nobody joins: what it costs beyond its work.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{alloc, peer::Peer};

/// Calls with keys of their own, one after the other.
pub async fn calls<P: Peer>(peer: &P, calls: u64) -> Duration {
    let start = Instant::now();
    for key in 0..calls {
        black_box(peer.call(key, Box::pin(async move { key })).await);
    }
    start.elapsed()
}

/// The same work, boxed and awaited.
pub async fn bare(calls: u64) -> Duration {
    let start = Instant::now();
    for key in 0..calls {
        let work: futures_util::future::BoxFuture<'static, u64> = Box::pin(async move { key });
        black_box(black_box(work).await);
    }
    start.elapsed()
}

/// Returns the allocations of one call, its work's own left out.
pub async fn allocations<P: Peer>() -> f64 {
    const CALLS: u64 = 10_000;
    let peer = P::new();
    calls(&peer, CALLS).await;
    alloc::counts(true);
    let before = alloc::count();
    calls(&peer, CALLS).await;
    alloc::counts(false);
    (alloc::count() - before) as f64 / CALLS as f64 - 1.0
}
