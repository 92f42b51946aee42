//! Many waiters on one key: registering, landing, cancelling, and what each holds.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::yield_now};

use crate::{alloc, peer::Peer};

pub struct Waiters {
    pub register: Duration,
    pub land: Duration,
    pub cancel: Duration,
    /// On the heap, beyond the waiter's own future; in bytes.
    pub bytes: f64,
}

/// A call that waits, boxed beforehand so that its own size is not counted.
type Waiting = Pin<Box<dyn Future<Output = u64> + Send>>;

pub async fn waiters<P: Peer>(count: usize) -> Waiters {
    alloc::counts(true);
    let (.., bytes) = board::<P>(count).await;
    alloc::counts(false);
    let (sender, leader, waiting, register, _) = board::<P>(count).await;
    let start = Instant::now();
    sender.send(7).expect("the work waits");
    land(leader, waiting).await;
    let land = start.elapsed();

    let (_sender, leader, waiting, ..) = board::<P>(count).await;
    let start = Instant::now();
    drop(waiting);
    let cancel = start.elapsed();
    drop(leader);
    yield_now().await;
    Waiters { register, land, cancel, bytes }
}

async fn board<P: Peer>(count: usize) -> (oneshot::Sender<u64>, Waiting, Vec<Waiting>, Duration, f64) {
    let mut cx = Context::from_waker(Waker::noop());
    let peer = P::new();
    let (sender, receiver) = oneshot::channel();
    let work = async { receiver.await.unwrap_or(0) };
    let mut leader: Waiting = Box::pin(peer.call(7, Box::pin(work)));
    assert!(leader.as_mut().poll(&mut cx).is_pending());
    let mut waiting: Vec<Waiting> = Vec::with_capacity(count);
    let before = alloc::live();
    let mut own = 0;
    let start = Instant::now();
    for _ in 0..count {
        // Work without a size takes no allocation.
        let mut call: Waiting = Box::pin(peer.call(7, Box::pin(std::future::pending())));
        own += size_of_val(&*call);
        assert!(call.as_mut().poll(&mut cx).is_pending());
        waiting.push(call);
    }
    let elapsed = start.elapsed();
    let bytes = (alloc::live() - before - own as isize) as f64 / count as f64;
    yield_now().await;
    yield_now().await;
    (sender, leader, waiting, elapsed, bytes)
}

async fn land(mut leader: Waiting, mut waiting: Vec<Waiting>) {
    finish(&mut leader).await;
    for call in &mut waiting {
        finish(call).await;
    }
}

async fn finish(call: &mut Waiting) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        match call.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return assert_eq!(value, 7),
            Poll::Pending => yield_now().await,
        }
    }
    panic!("a waiter is not told of the landing");
}
