//! What is to be woken, told and dropped once the lock is released (invariant 6).

use std::{sync::Arc, task::Waker};

use super::{end::BodyEnd, part::BodyPart, spill::Segment};
use crate::panic::{catch, discard};

/// Taken out under the lock. Dropping it wakes nobody; give it to [`run`](super::stream::Stream::run).
#[derive(Default)]
#[must_use]
pub(super) struct Deferred {
    pub(super) wakers: Vec<Waker>,
    pub(super) frames: Vec<BodyPart>,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) end: Option<BodyEnd>,
    /// How many readers were cut.
    pub(super) cut: usize,
    /// By how many bytes what is kept in memory has grown; less than 0 if there is less of it.
    pub(super) held: isize,
    /// The most readers that there were at a time, once the last has left; else 0.
    pub(super) readers: usize,
}

impl Deferred {
    /// Wakes all readers and drops the rest, whatever panics on the way. A waker that panics is another reader's: it
    /// fails neither this one nor those after it. A panic of one frame or error keeps nothing else from being dropped;
    /// two panics would end the process.
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
