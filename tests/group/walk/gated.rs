//! The work of one caller, as the walk holds it.

use std::{
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use futures_util::future::{BoxFuture, FutureExt};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gate {
    #[default]
    Shut,
    Open,
    Panics,
}

/// The work of one caller, as the test holds it.
#[derive(Default)]
pub(super) struct Handle {
    pub(super) gate: Gate,
    pub(super) waker: Option<Waker>,
    pub(super) runs: bool,
}

pub(super) type Shared = Arc<Mutex<Handle>>;

struct Running(Shared);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().runs = false;
    }
}

pub(super) fn work(number: usize, handle: Shared) -> impl FnOnce() -> BoxFuture<'static, usize> + Send + 'static {
    move || {
        handle.lock().unwrap().runs = true;
        let running = Running(handle);
        std::future::poll_fn(move |cx| {
            let mut handle = running.0.lock().unwrap();
            match handle.gate {
                Gate::Open => Poll::Ready(number),
                Gate::Panics => {
                    drop(handle);
                    panic!("as told");
                }
                Gate::Shut => {
                    handle.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .boxed()
    }
}
