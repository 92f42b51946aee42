//! Writing, off the runtime's threads.

use std::{mem::take, sync::Arc};

use tokio::runtime::Handle;

use super::{Job, Segment};
use crate::http::body::stream::Stream;

/// A write under way. The stream is told however it ends, even if it never began.
pub(in crate::http::body) struct Spilling<B> {
    stream: Arc<Stream<B>>,
    job: Option<Job>,
    written: Option<Arc<Segment>>,
}

impl<B: Send + 'static> Spilling<B> {
    fn run(mut self) {
        self.written = self.job.take().and_then(Job::run);
    }

    /// Begins to write; without a runtime nothing is written.
    pub(in crate::http::body) fn begin(stream: &Arc<Stream<B>>, job: Job) {
        let spilling = Self { stream: Arc::clone(stream), job: Some(job), written: None };
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn_blocking(move || spilling.run()));
        }
    }
}

impl<B> Drop for Spilling<B> {
    fn drop(&mut self) {
        self.job = None;
        let written = take(&mut self.written);
        let (deferred, weight) = self.stream.lock().spilled(written);
        self.stream.run(deferred);
        // There is room once the frames are gone.
        let deferred = self.stream.lock().settle(weight);
        self.stream.run(deferred);
    }
}
