//! How long callers of one route have waited of late.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use histogram::{AtomicHistogram32, Config, Histogram32};

/// Microseconds up to 71 minutes, each within 7 %: 2 KB.
const LAYOUT: Config = match Config::new(4, 32) {
    Ok(layout) => layout,
    Err(_) => panic!("a bad layout"),
};

const LONGEST: u64 = u32::MAX as u64;

/// The waits of this minute and of the one before it.
pub(super) struct Waits {
    minutes: [Minute; 2],
}

struct Minute {
    /// Which one it is, from 1 on; 0 if nobody has waited in it.
    number: AtomicU64,
    waits: AtomicHistogram32,
}

/// What half of the callers, and 99 in a hundred, have waited at most; in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Room to add two minutes up in, used for many routes.
pub(super) struct Scratch {
    sum: Histogram32,
    minute: Histogram32,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { sum: Histogram32::with_config(&LAYOUT), minute: Histogram32::with_config(&LAYOUT) }
    }
}

impl Waits {
    pub(super) fn new() -> Self {
        let minute = || Minute { number: AtomicU64::new(0), waits: AtomicHistogram32::with_config(&LAYOUT) };
        Self { minutes: [minute(), minute()] }
    }

    /// Counts one, `up` after the page was made.
    pub(super) fn count(&self, up: Duration, waited: Duration) {
        let number = number(up);
        let minute = &self.minutes[usize::from(number % 2 == 0)];
        let held = minute.number.load(Relaxed);
        // One of the callers forgets what was counted two minutes ago; what others count just then may go with it.
        if held < number && minute.number.compare_exchange(held, number, Relaxed, Relaxed).is_ok() && held > 0 {
            drop(minute.waits.drain());
        }
        let micros = u64::try_from(waited.as_micros()).unwrap_or(LONGEST);
        // The value is in range, so this does not fail.
        let _ = minute.waits.increment(micros.min(LONGEST));
    }

    /// Returns what the callers of this minute and of the one before it have waited; `None` if there were none.
    pub(super) fn quantiles(&self, up: Duration, scratch: &mut Scratch) -> Option<Quantiles> {
        let now = number(up);
        let mut late = self.minutes.iter().filter(|minute| {
            let number = minute.number.load(Relaxed);
            number > 0 && number + 1 >= now
        });
        late.next()?.waits.load_into(&mut scratch.sum).ok()?;
        if let Some(other) = late.next() {
            other.waits.load_into(&mut scratch.minute).ok()?;
            // Left out if the sum would be more than a number holds.
            let _ = scratch.sum.checked_add_assign(&scratch.minute);
        }
        let mut buckets = [None, None];
        scratch.sum.quantile_buckets_into(&[0.5, 0.99], &mut buckets).ok()?;
        let [Some(p50), Some(p99)] = buckets.map(|bucket| bucket.map(|bucket| bucket.end() as f64 / 1e3)) else {
            return None;
        };
        Some(Quantiles { p50, p99 })
    }
}

fn number(up: Duration) -> u64 {
    up.as_secs() / 60 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_those_of_this_minute_and_the_one_before() {
        let (waits, mut scratch) = (Waits::new(), Scratch::new());
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(waits.quantiles(minutes(0), &mut scratch), None);
        for millis in 1..=100 {
            waits.count(minutes(0), Duration::from_millis(millis));
        }
        for up in [0, 1] {
            let Quantiles { p50, p99 } = waits.quantiles(minutes(up), &mut scratch).unwrap();
            assert!((50.0..54.0).contains(&p50), "{p50}");
            assert!((99.0..106.0).contains(&p99), "{p99}");
        }
        assert_eq!(waits.quantiles(minutes(2), &mut scratch), None);
        waits.count(minutes(2), Duration::MAX);
        let Quantiles { p50, p99 } = waits.quantiles(minutes(2), &mut scratch).unwrap();
        assert_eq!((p50, p99), (LONGEST as f64 / 1e3, LONGEST as f64 / 1e3));
    }
}
