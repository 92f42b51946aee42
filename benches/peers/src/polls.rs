//! How often callers and work are polled while the work is woken again and again.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use tokio::task::yield_now;

use crate::peer::Peer;

pub const CALLERS: usize = 1000;
pub const WAKES: usize = 100;

#[derive(Default)]
struct Work {
    polls: AtomicUsize,
    done: AtomicBool,
    waker: Mutex<Option<Waker>>,
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
pub async fn polls<P: Peer>() -> (f64, usize) {
    let (peer, work, polls) = (P::new(), Arc::new(Work::default()), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let work = Arc::clone(&work);
            let run = std::future::poll_fn(move |cx| {
                work.polls.fetch_add(1, SeqCst);
                *work.waker.lock().expect("not poisoned") = Some(cx.waker().clone());
                if work.done.load(SeqCst) { Poll::Ready(7) } else { Poll::Pending }
            });
            tokio::spawn(Counted(Box::pin(peer.call(7, Box::pin(run))), Arc::clone(&polls)))
        })
        .collect();
    yield_now().await;
    for wake in 1..=WAKES {
        work.done.store(wake == WAKES, SeqCst);
        let waker = work.waker.lock().expect("not poisoned").take();
        waker.into_iter().for_each(Waker::wake);
        for _ in 0..4 {
            yield_now().await;
        }
    }
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    (polls.load(SeqCst) as f64 / CALLERS as f64, work.polls.load(SeqCst))
}
