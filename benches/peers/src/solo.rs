//! A call that nobody joins: what it costs beyond its work.

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::task::yield_now;

use crate::{
    adapters::{Adapter, Bare},
    alloc,
};

const CALLS: u64 = 4_000;

/// Returns the time of one call over that of the bare work, both measured here and now, in ns.
pub fn overhead<A: Adapter>() -> f64 {
    let adapter = A::new();
    time(&adapter, CALLS / 4);
    time(&Bare, CALLS / 4);
    let bare = time(&Bare, CALLS);
    let call = time(&adapter, CALLS);
    call - bare
}

fn time<A: Adapter>(adapter: &A, calls: u64) -> f64 {
    let start = Instant::now();
    for key in 0..calls {
        black_box(drive(adapter.call(key, black_box(Box::pin(async move { key })))));
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// Returns the allocations of one call beyond its work's own: of work that is ready at once, and of work that is not.
pub fn allocations<A: Adapter>() -> (f64, f64) {
    let adapter = A::new();
    let ready = |key| drive(adapter.call(key, Box::pin(async move { key })));
    let pending = |key| {
        let work = async move {
            yield_now().await;
            key
        };
        drive(adapter.call(key, Box::pin(work)))
    };
    (allocated(ready), allocated(pending))
}

fn allocated(call: impl Fn(u64) -> u64) -> f64 {
    (0..CALLS).for_each(|key| assert_eq!(call(key), key));
    let before = alloc::allocations();
    (0..CALLS).for_each(|key| assert_eq!(call(key), key));
    (alloc::allocations() - before) as f64 / CALLS as f64 - 1.0
}

/// Polls a call of its own until it is done.
pub fn drive(call: impl Future<Output = u64>) -> u64 {
    let mut call = pin!(call);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut cx) {
            return value;
        }
    }
}
