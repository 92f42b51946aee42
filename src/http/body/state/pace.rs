//! Who is waited for, and for how long (invariant 8).

use tokio::time::Instant;

use super::{Freed, State};

impl<B> State<B> {
    /// Returns when the readers will have waited for too long in sum; a wait begins now, unless one is under way.
    pub(in crate::http::body) fn wait(&mut self, now: Instant) -> Option<Instant> {
        self.patience.begin(now);
        self.deadline(now)
    }

    /// One that has moved or been woken just now is about to move on.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let deadline = self.patience.deadline()?;
        if deadline > now {
            return Some(deadline);
        }
        let last = self.readers.iter().filter(|(_, place)| !place.cut && place.next == self.first);
        let moved = last.filter_map(|(_, place)| place.moved).max();
        moved.and_then(|moved| self.patience.grace(moved)).filter(|grace| *grace > now).or(Some(deadline))
    }

    /// Cuts the slowest if the readers have waited for too long by now, and somebody still does (invariant 8).
    pub(in crate::http::body) fn cut_due(&mut self, now: Instant) -> Freed {
        if self.deadline(now).is_some_and(|deadline| deadline <= now) { self.cut() } else { Freed::default() }
    }

    /// Cuts those who have yet to take the first frame.
    fn cut(&mut self) -> Freed {
        let mut freed = Freed::default();
        let first = self.first;
        let mut slowest = 0;
        for (_, place) in self.readers.iter_mut().filter(|(_, place)| !place.cut && place.next == first) {
            place.cut = true;
            slowest += 1;
        }
        for _ in 0..slowest {
            self.give_up(first, &mut freed);
        }
        freed
    }
}
