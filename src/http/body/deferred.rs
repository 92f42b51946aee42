//! What is to be woken, told and dropped once the lock is released (invariant 6).

use std::{sync::Arc, task::Waker};

use super::{end::End, part::Part, spill::Segment};
use crate::panic::{catch, discard};

/// Taken out under the lock. Dropping it wakes nobody; give it to [`run`](super::stream::Stream::run).
#[derive(Default)]
#[must_use]
pub(super) struct Deferred {
    pub(super) wakers: Vec<Waker>,
    pub(super) frames: Vec<Part>,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) end: Option<End>,
    /// How many readers were cut.
    pub(super) cut: usize,
    /// By how many bytes what is kept in memory has grown; less than 0 if there is less of it.
    pub(super) held: isize,
    /// How many readers there were at most at a time, if the last has left.
    pub(super) readers: usize,
}

impl Deferred {
    /// Wakes all, even past a waker that panics: it is another reader's, and fails neither this one nor those after it.
    /// Drops the rest in the same way: a panic of one frame or error would keep the others, or what comes after, from being
    /// done, and two would end the process.
    pub(super) fn wake(self) {
        let Self { wakers, frames, segments, end, .. } = self;
        for waker in wakers {
            let _ = catch(|| waker.wake()).map_err(discard);
        }
        frames.into_iter().for_each(discard);
        discard(end);
        drop(segments);
    }
}
