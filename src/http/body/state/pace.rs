//! Who is waited for, and for how long (invariant 8).

use tokio::time::Instant;

use super::{Cursor, Deferred, State, WaitFor};

impl Cursor {
    /// Returns whether nobody is further behind: in the log, if any reader is there, else at the first frame.
    fn is_last(&self, first: u64, behind: Option<u64>) -> bool {
        !self.cut && self.next == first && (behind.is_none() || self.behind == behind)
    }
}

impl<B> State<B> {
    /// Returns when the readers will have waited for too long in sum; a wait begins now, unless one is under way.
    pub(in crate::http::body) fn wait(&mut self, now: Instant) -> Option<Instant> {
        if let Some(deadline) = self.log.deadline() {
            return Some(deadline);
        }
        self.patience.begin(now);
        self.deadline(now)
    }

    /// Returns when a reader may be cut: not before the stall time is used up, and not before a reader that is last has
    /// been waited for long enough.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let deadline = self.patience.deadline()?;
        if deadline > now {
            return Some(deadline);
        }
        let (first, behind) = (self.first, self.last_behind());
        let last = self.readers.iter().filter(|(_, place)| place.is_last(first, behind));
        last.filter_map(|(_, place)| self.patience.guilty(place.held)).min()
    }

    /// Cuts the slowest if the readers have waited for too long by now, and somebody still does (invariant 8).
    pub(in crate::http::body) fn cut_due(&mut self, now: Instant) -> Deferred {
        if self.log.deadline().is_some_and(|deadline| deadline <= now) {
            let mut deferred = Deferred::default();
            self.log.fail();
            self.take_wakers(WaitFor::Room, &mut deferred);
            return deferred;
        }
        if self.deadline(now).is_some_and(|deadline| deadline <= now) { self.cut(now) } else { Deferred::default() }
    }

    /// Lets a reader be the first that is cut.
    #[cfg(feature = "fleet")]
    pub(in crate::http::body) fn yields(&mut self, reader: usize) {
        self.yielding = Some(reader);
    }

    /// Called when a reader finds the window full. Cuts the yielding reader, if it is this one or one of those that are
    /// waited for. In either case the yielding reader has no waker to be woken, since it waits for nothing.
    pub(in crate::http::body) fn cut_yielding(&mut self, waits: usize) -> Option<Deferred> {
        let (first, behind) = (self.first, self.last_behind());
        let yielding = self.yielding?;
        let place = &mut self.readers[yielding];
        if yielding != waits && !place.is_last(first, behind) {
            return None;
        }
        self.yielding = None;
        place.cut = true;
        let next = place.next;
        let mut deferred = Deferred::default();
        self.give_up(next, &mut deferred);
        self.trim(&mut deferred);
        Some(deferred)
    }

    /// Cuts the readers that are last and have been waited for long enough.
    fn cut(&mut self, now: Instant) -> Deferred {
        let mut deferred = Deferred::default();
        let (first, behind) = (self.first, self.last_behind());
        let mut slowest = 0;
        for (_, place) in self.readers.iter_mut().filter(|(_, place)| place.is_last(first, behind)) {
            if self.patience.guilty(place.held).is_none_or(|guilty| guilty > now) {
                continue;
            }
            place.cut = true;
            slowest += 1;
        }
        deferred.cut = slowest;
        for _ in 0..slowest {
            self.give_up(first, &mut deferred);
        }
        self.trim(&mut deferred);
        deferred
    }
}
