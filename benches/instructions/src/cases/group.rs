//! Calls of a group.

use std::{
    future::pending,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::{unconstrained, yield_now},
};
use tower_singleflight::Group;

pub(super) fn work(value: u64) -> BoxFuture<'static, u64> {
    Box::pin(async move { value })
}

/// Polls a future that is ready at once.
pub(super) fn drive(call: impl Future) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(black_box(pin!(call).poll(&mut cx)), Poll::Ready(_)));
}

pub(super) fn solo(times: u64) {
    let group = Group::new();
    for key in 0..times {
        drive(group.call(key, || black_box(work(7))));
    }
}

pub(super) fn solo_bare(times: u64) {
    for _ in 0..times {
        drive(black_box(work(7)));
    }
}

/// Lets `times` followers join, park, and leave with the flight.
pub(super) fn join(times: u64) {
    flight(times, false);
}

/// Lets `times` followers join and park; then the flight lands, and each takes its outcome.
pub(super) fn landing(times: u64) {
    flight(times, true);
}

fn flight(followers: u64, lands: bool) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let (sender, receiver) = oneshot::channel();
    let group = Group::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut leader = group.call(7, || async { receiver.await.unwrap_or(0) });
    assert!(leader.poll_unpin(&mut cx).is_pending());
    let mut calls = Vec::with_capacity(1 << 16);
    calls.extend((0..followers).map(|_| group.call(7, pending::<u64>)));
    for call in &mut calls {
        assert!(call.poll_unpin(&mut cx).is_pending());
    }
    runtime.block_on(yield_now());
    if !lands {
        // The process ends while the followers are parked: leaving is not counted.
        std::process::exit(0);
    }
    runtime.block_on(unconstrained(async {
        sender.send(7).expect("the work waits");
        black_box(leader.await);
        for call in calls {
            black_box(call.await);
        }
    }));
}
