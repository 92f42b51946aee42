//! Calls per second by role, over the last minutes.

use std::time::Duration;

/// How many whole seconds are kept, and the one under way.
pub(super) const SECONDS: u64 = 300;
const PLACES: u64 = SECONDS + 1;

/// Calls that led, followed and went alone in one second.
pub(super) type Calls = [u32; 3];

#[derive(Clone, Copy)]
pub(super) enum CountedAs {
    Led,
    Followed,
    Alone,
}

/// A ring of seconds.
pub(super) struct History {
    /// The second since the page was made, and what was counted in it.
    seconds: Box<[(u64, Calls)]>,
}

impl History {
    pub(super) fn new() -> Self {
        Self { seconds: vec![(0, [0; 3]); PLACES as usize].into() }
    }

    pub(super) fn count(&mut self, up: Duration, counted: CountedAs) {
        let now = up.as_secs();
        let (second, calls) = &mut self.seconds[(now % PLACES) as usize];
        // A late call whose second has left the ring is counted in the second that took its place.
        if *second < now {
            (*second, *calls) = (now, [0; 3]);
        }
        let count = &mut calls[counted as usize];
        *count = count.saturating_add(1);
    }

    /// Adds up the whole seconds before `up`, the oldest first; as many as `sum` has.
    pub(super) fn add_to(&self, up: Duration, sum: &mut [Calls]) {
        for (ago, sum) in (1..).zip(sum.iter_mut().rev()) {
            let Some(wanted) = up.as_secs().checked_sub(ago) else { return };
            let (second, calls) = &self.seconds[(wanted % PLACES) as usize];
            if *second == wanted {
                for (sum, count) in sum.iter_mut().zip(calls) {
                    *sum = sum.saturating_add(*count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_kept_for_five_minutes() {
        let mut history = History::new();
        let at = Duration::from_secs;
        history.count(at(0), CountedAs::Led);
        history.count(at(2), CountedAs::Followed);
        history.count(at(2), CountedAs::Followed);
        history.count(at(3), CountedAs::Alone);
        let sum = |history: &History, up, count| {
            let mut sum = vec![[0; 3]; count];
            history.add_to(at(up), &mut sum);
            sum
        };
        assert_eq!(sum(&history, 3, 4), [[0; 3], [1, 0, 0], [0; 3], [0, 2, 0]], "the fourth second is not over");
        assert_eq!(sum(&history, 300, 300)[..4], [[1, 0, 0], [0; 3], [0, 2, 0], [0, 0, 1]]);
        history.count(at(301), CountedAs::Alone);
        assert_eq!(sum(&history, 302, 300).iter().flatten().sum::<u32>(), 4, "those of seconds 2, 3 and 301");
        assert_eq!(sum(&history, 1_000, 300).iter().flatten().sum::<u32>(), 0);
    }
}
