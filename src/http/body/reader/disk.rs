//! A reader that reads what was spilled.

use std::io;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::{BodyError, Reader, Seat};

impl<B> Reader<B> {
    /// Reads from disk on a thread of the runtime. With `inline`, or without a runtime, it reads here and returns what
    /// was read.
    pub(super) fn read<R>(&mut self, read: R, inline: bool) -> Option<Result<Bytes, BodyError>>
    where
        R: FnOnce() -> io::Result<Bytes> + Send + 'static,
    {
        match Handle::try_current() {
            Ok(runtime) if !inline => self.reading = Some(runtime.spawn_blocking(read)),
            _ => return self.has_read(read()),
        }
        None
    }

    /// Moves the reader past what was read from disk; ends it if that failed. `None` if it was cut meanwhile.
    pub(super) fn has_read(&mut self, read: io::Result<Bytes>) -> Option<Result<Bytes, BodyError>> {
        let Seat { stream, place } = self.seat.as_ref()?;
        let Ok(data) = read else {
            // Before anything is dropped, which may panic (invariant 7).
            self.failed = Some(BodyError::lagged());
            self.seat = None;
            return Some(Err(BodyError::lagged()));
        };
        let mut state = stream.lock();
        let deferred = state.has_read(*place, data.len() as u64)?;
        drop(state);
        stream.run(deferred);
        Some(Ok(data))
    }
}
