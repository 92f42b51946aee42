//! The part of one body that lies in the store, in order; the frames that are kept in memory follow it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body::SizeHint;
use tokio::time::Instant;

use super::{
    SEGMENT,
    store::{Reserved, Segment, Store},
};
use crate::{http::body::origin::Hints, panic::discard};

/// A write that takes longer than this counts as one that failed.
const HUNG: Duration = Duration::from_secs(5);

/// The spilled part of a body. Places in it count all bytes that were ever spilled.
pub(in crate::http::body) struct Log {
    store: Option<Arc<Store>>,
    files: VecDeque<Extent>,
    /// What the body said of itself at some places, the first of them no later than the last reader's place.
    marks: VecDeque<(u64, Hints)>,
    end: u64,
    writing: Option<Writing>,
    /// The disk has failed once: nothing more is written.
    failed: bool,
}

struct Extent {
    segment: Arc<Segment>,
    /// The place at which the file begins.
    base: u64,
    end: u64,
}

/// A write under way.
#[derive(Clone, Copy)]
pub(in crate::http::body) struct Writing {
    /// The number of the first frame that is not written.
    pub(in crate::http::body) to: u64,
    bytes: u64,
    base: u64,
    since: Instant,
}

/// What is to be written. The frames stay in memory until it is.
pub(in crate::http::body) struct Job {
    store: Arc<Store>,
    /// `None`: a new one.
    segment: Option<Arc<Segment>>,
    at: u64,
    data: Batch,
    room: Reserved,
}

/// Frames to be written. When they are, nobody else may hold them, and dropping one may panic: that must not look like
/// a failed write.
struct Batch(Vec<Bytes>);

impl Drop for Batch {
    fn drop(&mut self) {
        self.0.drain(..).for_each(discard);
    }
}

impl Job {
    pub(super) fn run(self) -> Option<Arc<Segment>> {
        let segment = match self.segment {
            Some(segment) => segment,
            None => Arc::new(self.store.segment().ok()?),
        };
        segment.write(self.at, &self.data.0, self.room).ok()?;
        Some(segment)
    }
}

impl Log {
    pub(in crate::http::body) const fn new(store: Option<Arc<Store>>) -> Self {
        Self { store, files: VecDeque::new(), marks: VecDeque::new(), end: 0, writing: None, failed: false }
    }

    pub(in crate::http::body) const fn end(&self) -> u64 {
        self.end
    }

    pub(in crate::http::body) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns how many bytes may be written now.
    pub(in crate::http::body) fn allowance(&self) -> u64 {
        let Some(store) = self.store.as_ref().filter(|_| self.writing.is_none() && !self.failed) else { return 0 };
        store.allowance(self.files.iter().map(|file| file.end - file.base).sum())
    }

    /// Plans to write this data: the frames before number `to`.
    pub(in crate::http::body) fn plan(&mut self, data: Vec<Bytes>, to: u64, now: Instant) -> Option<Job> {
        let store = self.store.clone()?;
        let bytes = data.iter().map(|data| data.len() as u64).sum();
        let room = store.reserve(bytes)?;
        let last = self.files.back().filter(|last| last.end - last.base + bytes <= SEGMENT);
        let base = last.map_or(self.end, |last| last.base);
        let segment = last.map(|last| Arc::clone(&last.segment));
        self.writing = Some(Writing { to, bytes, base, since: now });
        Some(Job { store, segment, at: self.end - base, data: Batch(data), room })
    }

    /// Returns when the write that is waited for counts as failed.
    pub(in crate::http::body) fn deadline(&self) -> Option<Instant> {
        self.writing.filter(|_| !self.failed)?.since.checked_add(HUNG)
    }

    pub(in crate::http::body) fn fail(&mut self) {
        self.failed = true;
    }

    /// Ends the write that is under way.
    pub(in crate::http::body) fn written(&mut self) -> Option<Writing> {
        self.writing.take()
    }

    /// Takes what was written; returns the place where it ends.
    pub(in crate::http::body) fn adopt(&mut self, segment: Arc<Segment>, writing: Writing) -> u64 {
        self.end += writing.bytes;
        match self.files.back_mut().filter(|last| Arc::ptr_eq(&last.segment, &segment)) {
            Some(last) => last.end = self.end,
            None => self.files.push_back(Extent { segment, base: writing.base, end: self.end }),
        }
        self.end
    }

    pub(in crate::http::body) fn mark(&mut self, place: u64, hints: Hints) {
        self.marks.push_back((place, hints));
    }

    /// Returns what is to be read from this place on, in one go: a file, where in it, and how many bytes.
    pub(in crate::http::body) fn find(&self, place: u64) -> Option<(Arc<Segment>, u64, usize)> {
        let file = self.files.iter().find(|file| file.end > place)?;
        let bytes = (file.end - place).min(super::CHUNK) as usize;
        Some((Arc::clone(&file.segment), place - file.base, bytes))
    }

    /// Returns what the body said of itself at the last mark before a place where data is to come, less the data since
    /// then. What it did not know stays unknown.
    pub(in crate::http::body) fn said(&self, place: u64) -> Hints {
        let after = self.marks.partition_point(|(mark, _)| *mark <= place);
        let Some((mark, hints)) = after.checked_sub(1).and_then(|at| self.marks.get(at)) else {
            return Hints::default();
        };
        let mut size = SizeHint::new();
        size.set_lower(hints.size.lower().saturating_sub(place - mark));
        if let Some(upper) = hints.size.upper() {
            size.set_upper(upper.saturating_sub(place - mark).max(size.lower()));
        }
        Hints { size, is_end_stream: false }
    }

    /// Gives back what lies before this place.
    pub(in crate::http::body) fn trim(&mut self, place: u64, deferred: &mut Vec<Arc<Segment>>) {
        while self.files.front().is_some_and(|file| file.end <= place) {
            deferred.extend(self.files.pop_front().map(|file| file.segment));
        }
        while self.marks.get(1).is_some_and(|(mark, _)| *mark <= place) {
            self.marks.pop_front();
        }
    }
}
