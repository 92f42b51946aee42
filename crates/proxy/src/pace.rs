//! A time limit on sending over HTTP/2: no client may hold a stream, and what it reads, by opening no window for it.
//!
//! A blocked stream writes nothing to the socket, so the socket's time limit does not notice it.

use std::{cell::Cell, future::Future, pin::pin, time::Duration};

use hyper::rt::Executor;
use tokio::{
    select,
    time::{Instant, sleep},
};

tokio::task_local! {
    /// When the last frame was given out, if none has been asked for since; `None`: no frame waits for the client.
    static FRAME: Cell<Option<Instant>>;
}

/// Called each time an answer's next frame has been asked for, with whether it was there.
pub(crate) fn asked(there: bool) {
    // HTTP/1 has no such task.
    let _ = FRAME.try_with(|frame| frame.set(there.then(Instant::now)));
}

/// Runs the streams of connections. Drops (and so resets) a stream that has stood still for `idle`, at the latest after
/// twice that time.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) idle: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let idle = self.idle;
        tokio::spawn(FRAME.scope(Cell::new(None), async move {
            let mut stream = pin!(stream);
            loop {
                select! {
                    biased;
                    _ = stream.as_mut() => return,
                    () = sleep(idle) => {}
                }
                if FRAME.with(Cell::get).is_some_and(|since| since.elapsed() >= idle) {
                    return;
                }
            }
        }));
    }
}
