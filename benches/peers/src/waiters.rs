//! Many waiters on one key: registering, landing, cancelling, and what each holds.
//!
//! Each has a waker of its own, as tasks have: one peer looks through all its wakers for an equal one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::{unconstrained, yield_now},
};

use crate::{adapters::Adapter, alloc};

/// Wakes nobody: waiters are polled by hand.
struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

#[derive(Clone, Copy)]
pub struct Cost {
    pub register: Duration,
    pub land: Duration,
    pub cancel: Duration,
    /// On the heap, beyond the waiter's own future; in bytes.
    pub bytes: f64,
}

impl Cost {
    pub fn total(&self) -> Duration {
        self.register + self.land + self.cancel
    }
}

/// Polls waiters by hand, by the thousand: more than a task of tokio may do in one turn.
pub fn cost<A: Adapter>(count: usize) -> Cost {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(unconstrained(async {
        let (register, land, bytes) = board::<A>(count, true).await;
        let (_, cancel, _) = board::<A>(count, false).await;
        Cost { register, land, cancel, bytes }
    }))
}

/// Registers the waiters, then lands or cancels: returns how long either took, and the bytes held in between.
async fn board<A: Adapter>(count: usize, lands: bool) -> (Duration, Duration, f64) {
    let adapter = A::new();
    let (sender, receiver) = oneshot::channel();
    let mut leader = Box::pin(adapter.call(7, Box::pin(async { receiver.await.unwrap_or(0) })));
    assert!(poll(&mut leader, Waker::noop()).is_pending(), "the work waits");

    // Boxed work of size zero takes no memory, and each call is written where there is room for it already.
    let call = || adapter.call(7, Box::pin(std::future::pending()));
    let mut waiting: Vec<_> = Vec::with_capacity(count);
    let room: Vec<_> = (0..count).map(|_| room_for(&call)).collect();
    let wakers: Vec<_> = (0..count).map(|_| Waker::from(Arc::new(Nobody))).collect();
    let before = alloc::live();
    let start = Instant::now();
    let mut parked = true;
    for (place, waker) in room.into_iter().zip(&wakers) {
        let mut waiter = Box::into_pin(Box::write(place, call()));
        parked &= poll(&mut waiter, waker).is_pending();
        waiting.push(waiter);
    }
    let register = start.elapsed();
    // The vector of places is gone by now.
    let bytes = alloc::live() - before + (count * size_of::<usize>()) as isize;
    assert!(parked, "every waiter waits");
    yield_now().await;

    let start = Instant::now();
    if lands {
        assert!(sender.send(7).is_ok(), "the work is there still");
        finish(&mut leader, Waker::noop()).await;
        for (waiter, waker) in waiting.iter_mut().zip(&wakers) {
            finish(waiter, waker).await;
        }
    } else {
        waiting.clear();
    }
    (register, start.elapsed(), bytes as f64 / count as f64)
}

fn room_for<F>(_: &impl Fn() -> F) -> Box<std::mem::MaybeUninit<F>> {
    Box::new_uninit()
}

fn poll<F: Future>(waiter: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    waiter.as_mut().poll(&mut Context::from_waker(waker))
}

async fn finish<F: Future<Output = u64>>(waiter: &mut Pin<Box<F>>, waker: &Waker) {
    loop {
        match poll(waiter, waker) {
            Poll::Ready(value) => return assert_eq!(value, 7, "the leader's value"),
            Poll::Pending => yield_now().await,
        }
    }
}
