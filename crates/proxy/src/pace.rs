//! A time limit on sending over HTTP/2: a client that opens no window for a stream holds neither it nor what it reads.
//!
//! A stream that is blocked writes nothing to the socket, so the limit of the socket does not see it.

use std::{cell::Cell, future::Future, pin::pin, time::Duration};

use hyper::rt::Executor;
use tokio::{
    select,
    time::{Instant, sleep},
};

tokio::task_local! {
    /// Since when a frame has waited for the client, who has asked for no further one; `None`: none has.
    static FRAME: Cell<Option<Instant>>;
}

/// Told each time when the next frame of an answer is asked for, with whether there is one.
pub(crate) fn asked(there: bool) {
    // HTTP/1 has no such task.
    let _ = FRAME.try_with(|frame| frame.set(there.then(Instant::now)));
}

/// Runs the streams of connections, and drops one (which resets it) that has stood still: for `idle` at least, and
/// twice as long at most.
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
