//! Calls of a group that is observed.

use std::{
    panic::resume_unwind,
    task::{Context, Poll},
};

use super::{call::Call, extras::Extras, work::Work};
use crate::{Outcome, observe::Watch, panic::catch};

impl<K, T, W> Call<K, T, W> {
    /// Lets the group's observers see the call to its end.
    #[inline]
    pub(crate) fn watched(mut self, watch: Option<Watch>) -> Self {
        if watch.is_some() {
            self.extras.get_or_insert_with(|| Box::new(Extras { spawned: None, watch: None })).watch = watch;
        }
        self
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        self.extras.as_ref()?.watch.as_ref()
    }
}

impl<K, T, W> Call<K, T, W>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// [`poll_outcome`](Self::poll_outcome), with an event at the end.
    #[cold]
    pub(super) fn poll_watched(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        let polled = catch(|| self.poll_unwatched(cx));
        let mut watch = || self.extras.as_mut().and_then(|extras| extras.watch.take());
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => {
                if let Some(watch) = watch() {
                    watch.answered(outcome.role, outcome.callers);
                }
                Poll::Ready(outcome)
            }
            Err(payload) => {
                if let Some(watch) = watch() {
                    watch.panicked();
                }
                resume_unwind(payload)
            }
        }
    }
}
