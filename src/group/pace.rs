//! How fast flights follow one another in a shard.

use std::time::Instant;

use crate::sync::pace::{FAST, OTHERS};

/// Looked at after each flight whose number is a multiple of [`LOOKS`](crate::sync::pace::LOOKS), under the lock of its shard:
/// how long that many took, and whether several threads have them.
///
/// Callers that come to one shard at the same moment, with different keys, take its cache lines from each other, each several
/// times in one call. How often that happens depends on how many flights a second the shard has. Where that is not many, or
/// they are one thread's, more shards would only take memory.
pub(super) struct Pace {
    /// The shard may be split.
    counts: bool,
    /// When it was last looked at; `None` before the first time.
    at: Option<Instant>,
    /// The number of the thread that looked.
    thread: u32,
    /// How often flights have come fast, and another thread than the last time found it so; 0 once they are slow.
    fast: u8,
}

impl Pace {
    pub(super) const fn new(counts: bool) -> Self {
        Self { counts, at: None, thread: 0, fast: 0 }
    }

    /// Returns whether flights have come so fast, and for so long, that the shard is better split.
    pub(super) fn is_too_fast(&mut self, now: Instant, thread: usize) -> bool {
        let is_slow = self.at.is_none_or(|at| now.saturating_duration_since(at) > FAST);
        let thread = thread as u32;
        let is_another = self.thread != thread;
        self.fast = if is_slow { 0 } else { self.fast.saturating_add(u8::from(is_another)) };
        (self.at, self.thread) = (Some(now), thread);
        self.counts && self.fast >= OTHERS
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{FAST, OTHERS, Pace};

    /// Looks so often, after so long each time; says whether that was too fast in the end.
    fn looks(pace: &mut Pace, times: u32, after: Duration, threads: usize) -> bool {
        let from = pace.at.unwrap_or_else(Instant::now);
        (1..=times).map(|time| pace.is_too_fast(from + after * time, time as usize % threads)).last().unwrap_or(false)
    }

    #[test]
    fn a_shard_is_split_if_flights_of_several_threads_come_fast_for_some_time() {
        let times = 1 + u32::from(OTHERS);
        assert!(looks(&mut Pace::new(true), times, FAST, 2));
        assert!(!looks(&mut Pace::new(true), times - 1, FAST, 2), "for too short a time");
        assert!(!looks(&mut Pace::new(true), 100, FAST, 1), "of one thread");
        assert!(!looks(&mut Pace::new(true), 100, FAST + Duration::from_millis(1), 2), "too slow");
        assert!(!looks(&mut Pace::new(false), 100, FAST, 2), "it is a part already");
    }

    #[test]
    fn a_pause_lets_it_begin_anew() {
        let mut pace = Pace::new(true);
        assert!(!looks(&mut pace, u32::from(OTHERS), FAST, 2));
        assert!(!looks(&mut pace, 1, 2 * FAST, 2));
        assert!(!looks(&mut pace, u32::from(OTHERS) - 1, FAST, 2));
    }
}
