//! Names whose outcomes could not be had of late: whoever asks for one of them runs its work at once, and waits for nobody.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::Name;

/// How many names are remembered. The number is fixed, so that untrusted keys cannot make it grow: a newer name
/// replaces an older.
const PLACES: usize = 1024;
/// A place holds the time until which a name is remembered, in ms, and above it some of the name, which is a digest.
const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

#[derive(Default)]
pub(super) struct Refused {
    /// Made by the first name that is remembered.
    places: OnceLock<Box<[AtomicU64]>>,
    start: OnceLock<Instant>,
}

impl Refused {
    pub(super) fn remember(&self, name: Name, time: Duration) {
        if time.is_zero() {
            return;
        }
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        let (place, tag) = place(name);
        let until = self.now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(TIME_MASK));
        places[place].store(tag | until.clamp(1, TIME_MASK), Ordering::Release);
    }

    pub(super) fn contains(&self, name: Name) -> bool {
        let Some(places) = self.places.get() else { return false };
        let (place, tag) = place(name);
        let held = places[place].load(Ordering::Acquire);
        held & !TIME_MASK == tag && self.now() < held & TIME_MASK
    }

    /// Milliseconds since the first name was remembered.
    fn now(&self) -> u64 {
        let start = *self.start.get_or_init(Instant::now);
        u64::try_from(start.elapsed().as_millis()).unwrap_or(TIME_MASK)
    }
}

fn place(name: Name) -> (usize, u64) {
    let (low, rest) = name.key().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    let (tag, _) = rest.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    let place = usize::from(low[0]) | usize::from(low[1]) << 8;
    (place % PLACES, u64::from_le_bytes(*tag) & !TIME_MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_is_remembered_for_its_time_and_no_other_name_with_it() {
        let refused = Refused::default();
        let names: Vec<_> = (0..=255).map(|byte| Name::from([byte; 32])).collect();
        assert!(!refused.contains(names[7]));
        refused.remember(names[7], Duration::from_millis(10));
        let found: Vec<_> = names.iter().filter(|name| refused.contains(**name)).collect();
        assert_eq!(found, [&names[7]]);
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(!refused.contains(names[7]));
    }
}
