//! How often callers and work are polled while the work is woken again and again.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Builder, task::yield_now};

use crate::adapters::{Adapter, Work};

pub const CALLERS: usize = 1000;
pub const WAKES: usize = 100;

/// Work that pends until it is told.
#[derive(Default)]
struct Woken {
    polls: AtomicUsize,
    done: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Woken {
    fn run(self: Arc<Self>) -> Work {
        Box::pin(poll_fn(move |cx| {
            self.polls.fetch_add(1, SeqCst);
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            if self.done.load(SeqCst) { Poll::Ready(7) } else { Poll::Pending }
        }))
    }
}

struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, SeqCst);
        self.0.as_mut().poll(cx)
    }
}

/// Returns the polls per caller, and those of the work.
pub fn polls<A: Adapter>() -> (f64, usize) {
    // In one turn of the runtime all tasks that were woken are polled, and all that these wake.
    let runtime = Builder::new_current_thread().event_interval(2 * CALLERS as u32).build().expect("a runtime");
    runtime.block_on(count::<A>())
}

async fn count<A: Adapter>() -> (f64, usize) {
    let (adapter, work, polls) = (A::new(), Arc::new(Woken::default()), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let call = adapter.call(7, Arc::clone(&work).run());
            tokio::spawn(Counted(Box::pin(call), Arc::clone(&polls)))
        })
        .collect();
    yield_now().await;
    for wake in 1..=WAKES {
        work.done.store(wake == WAKES, SeqCst);
        let waker = work.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
        yield_now().await;
    }
    for caller in callers {
        assert_eq!(caller.await.expect("no caller panics"), 7);
    }
    (polls.load(SeqCst) as f64 / CALLERS as f64, work.polls.load(SeqCst))
}
