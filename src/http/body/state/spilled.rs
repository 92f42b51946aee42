//! What goes out of memory, and who reads it from there (invariants 9, 10).

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    super::spill::{BATCH, Job, Segment},
    BodyPart, Deferred, State, WaitFor,
};

impl<B> State<B> {
    /// Returns what is to be written now, so that the window does not fill.
    pub(super) fn plan(&mut self) -> Option<Job> {
        if self.live < 2 || self.weight < self.window - self.window / 4 {
            return None;
        }
        let most = self.log.allowance();
        let (mut data, mut bytes, mut weight, mut to) = (Vec::new(), 0, self.weight, self.first);
        for kept in &self.frames {
            let BodyPart::Data(frame) = &kept.frame else { break };
            let length = frame.len() as u64;
            if bytes + length > most || weight <= self.window / 4 || bytes >= BATCH {
                break;
            }
            bytes += length;
            weight -= kept.weight();
            to += 1;
            data.push(frame.clone());
        }
        if bytes == 0 {
            return None;
        }
        let job = self.log.plan(data, to, Instant::now());
        if job.is_some() {
            // The disk is waited for, not a reader.
            self.patience.rest();
        }
        job
    }

    /// Lets go of the frames that were written; `None`: they could not be, and stay. Returns also their weight, which
    /// counts until [`settle`](Self::settle).
    pub(in crate::http::body) fn spilled(&mut self, written: Option<Arc<Segment>>) -> (Deferred, usize) {
        let (mut deferred, mut weight) = (Deferred::default(), 0);
        let writing = self.log.written();
        match (writing, written) {
            // If the frames are gone, all have passed them, and the file is given back at once.
            (Some(writing), Some(segment)) => {
                let end = self.log.adopt(segment, writing);
                let mut left = self.passed(writing.to);
                let mut places = Vec::with_capacity(left);
                let mut place = end - self.frames.iter().take(left).map(|kept| kept.frame.len() as u64).sum::<u64>();
                let first = self.first;
                while let Some(kept) = (left > 0).then(|| self.frames.pop_front()).flatten() {
                    if places.is_empty() {
                        self.log.mark(place, kept.before.clone());
                    }
                    left -= 1;
                    places.push(place);
                    place += kept.frame.len() as u64;
                    weight += kept.weight();
                    self.first += 1;
                    deferred.frames.push(kept.frame);
                }
                for (_, reader) in self.readers.iter_mut().filter(|(_, reader)| !reader.cut) {
                    if reader.next < self.first {
                        let at = usize::try_from(reader.next - first).ok().and_then(|at| places.get(at).copied());
                        reader.behind = reader.behind.or(at).filter(|place| *place < end);
                        reader.next = self.first;
                    }
                }
                self.trim(&mut deferred);
            }
            (None, Some(segment)) => deferred.segments.push(segment),
            (_, None) => self.log.fail(),
        }
        (deferred, weight)
    }

    /// Called when the frames that were written are gone: there is room.
    pub(in crate::http::body) fn settle(&mut self, weight: usize) -> Deferred {
        let mut deferred = Deferred::default();
        self.weight -= weight;
        deferred.held -= weight as isize;
        self.take_wakers(WaitFor::Room, &mut deferred);
        deferred
    }

    /// Called when a reader has read so many bytes from disk; returns `None` if it was cut meanwhile.
    pub(in crate::http::body) fn has_read(&mut self, reader: usize, bytes: u64) -> Option<Deferred> {
        let mut deferred = Deferred::default();
        let (end, last) = (self.log.end(), self.last_behind());
        let place = &mut self.readers[reader];
        if place.cut {
            return None;
        }
        if last == place.behind && self.patience.is_waited_on() {
            let taken = usize::try_from(bytes).unwrap_or(usize::MAX);
            place.held = self.patience.held(place.held, taken, Instant::now());
        }
        place.behind = place.behind.map(|place| place + bytes).filter(|place| *place < end);
        self.trim(&mut deferred);
        Some(deferred)
    }

    /// Returns the place of the reader that is furthest behind, if any reads from disk.
    pub(super) fn last_behind(&self) -> Option<u64> {
        self.readers.iter().filter(|(_, place)| !place.cut).filter_map(|(_, place)| place.behind).min()
    }

    /// Gives back the files that all readers have passed.
    pub(super) fn trim(&mut self, deferred: &mut Deferred) {
        if self.log.is_empty() {
            return;
        }
        let before = deferred.segments.len();
        self.log.trim(self.last_behind().unwrap_or(self.log.end()), &mut deferred.segments);
        if deferred.segments.len() > before {
            self.take_wakers(WaitFor::Room, deferred);
        }
    }
}
