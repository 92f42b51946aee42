//! Work for tests: it can be counted, and waits until it is let go.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use futures_util::FutureExt;
use tokio::{sync::Notify, task::yield_now};
use tower_singleflight::Outcome;

/// Work that counts its starts and drops, and waits for a gate.
#[derive(Clone, Default)]
pub(crate) struct Work {
    pub(crate) gate: Arc<Notify>,
    starts: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Work {
    pub(crate) fn run(
        &self,
        value: u32,
    ) -> impl FnOnce() -> futures_util::future::BoxFuture<'static, u32> + Send + 'static {
        let Self { gate, starts, alive } = self.clone();
        move || {
            starts.fetch_add(1, SeqCst);
            alive.fetch_add(1, SeqCst);
            let alive = Alive(alive);
            async move {
                let _alive = alive;
                gate.notified().await;
                value
            }
            .boxed()
        }
    }

    pub(crate) fn starts(&self) -> usize {
        self.starts.load(SeqCst)
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.load(SeqCst)
    }
}

/// Lets the flight's task run.
pub(crate) async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

/// Waits for a condition; the test hangs if it never comes true.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

pub(crate) fn never() -> std::future::Ready<u32> {
    panic!("this caller's work is not to run")
}

/// Calls that somebody else is to drop, or to poll.
pub(crate) type Kept = Arc<Mutex<Vec<Pin<Box<dyn Future<Output = Outcome<u32>> + Send>>>>>;

pub(crate) async fn poll_once<F: Future + Unpin>(call: &mut F) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut *call).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

pub(crate) fn by_id(id: &u64) -> Option<u64> {
    Some(*id)
}
