//! A storm of writes (S21): a place that is written to faster than it can be read.
//!
//! Each fence changes the keys of what lies there, so that no reader joins a flight from before it. Where writes come
//! fast, every reader would have a key of its own, and share with nobody. From the fourth fence within the life of one
//! flight on, readers make fresh calls under the key without the epoch. They share runs that begin after they came, and
//! so see all writes from before.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::fence::{EPOCHS, EpochNumber};

/// This many fences within the life of one flight are a storm.
const STORM: u64 = 4;

/// The reads under way in each place that was fenced.
#[derive(Default)]
pub(super) struct ReadsUnderWay {
    /// Made by the first read.
    places: OnceLock<Box<[Mutex<Epochs>]>>,
}

/// The epochs in which the reads under way began, in order, and how many began in each.
type Epochs = Vec<(u64, usize)>;

/// A read under way in a place that was fenced, until it is dropped.
pub(super) struct ReadUnderWay {
    reads: Arc<ReadsUnderWay>,
    number: EpochNumber,
    epoch: u64,
}

impl ReadsUnderWay {
    /// Returns whether a read from four fences ago or earlier is still under way.
    pub(super) fn see_a_storm(&self, number: EpochNumber, epoch: u64) -> bool {
        self.places.get().is_some_and(|places| {
            let epochs = places[number.index()].lock().unwrap_or_else(PoisonError::into_inner);
            epochs.first().is_some_and(|(oldest, _)| oldest.saturating_add(STORM) <= epoch)
        })
    }

    fn enter(&self, number: EpochNumber, epoch: u64) {
        let places = self.places.get_or_init(|| (0..EPOCHS).map(|_| Mutex::default()).collect());
        let mut epochs = places[number.index()].lock().unwrap_or_else(PoisonError::into_inner);
        match epochs.binary_search_by_key(&epoch, |(epoch, _)| *epoch) {
            Ok(at) => epochs[at].1 += 1,
            Err(at) => epochs.insert(at, (epoch, 1)),
        }
    }

    fn leave(&self, number: EpochNumber, epoch: u64) {
        let Some(places) = self.places.get() else { return };
        let mut epochs = places[number.index()].lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = epochs.binary_search_by_key(&epoch, |(epoch, _)| *epoch) {
            epochs[at].1 -= 1;
            if epochs[at].1 == 0 {
                epochs.remove(at);
            }
        }
        // Nothing under way, nothing held.
        if epochs.is_empty() {
            *epochs = Vec::new();
        }
    }
}

impl ReadUnderWay {
    pub(super) fn enter(reads: &Arc<ReadsUnderWay>, number: EpochNumber, epoch: u64) -> Arc<Self> {
        reads.enter(number, epoch);
        Arc::new(Self { reads: Arc::clone(reads), number, epoch })
    }
}

impl Drop for ReadUnderWay {
    fn drop(&mut self) {
        self.reads.leave(self.number, self.epoch);
    }
}
