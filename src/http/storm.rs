//! A storm of writes (S21): a place that is written to faster than it can be read.
//!
//! Each fence makes another key of what lies there, so that no reader joins a flight from before it. Where writes come fast,
//! every reader would have a key of its own, and share with nobody. From the fourth fence within the life of one flight on,
//! readers make fresh calls under the key without the epoch: they share runs that begin after they came, which no write
//! before them can have missed.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::fence::{EPOCHS, EpochNumber};

/// So many fences within the life of one flight are a storm.
const STORM: u64 = 4;

/// The reads under way in each place that was fenced.
#[derive(Default)]
pub(super) struct ReadsUnderWay {
    /// Made by the first reader.
    places: OnceLock<Box<[Mutex<Epochs>]>>,
}

/// The epochs in which readers came that are under way, in order, and how many came in each.
type Epochs = Vec<(u64, usize)>;

/// A read under way in a place that was fenced, until it is dropped.
pub(super) struct ReadUnderWay {
    readers: Arc<ReadsUnderWay>,
    number: EpochNumber,
    epoch: u64,
}

impl ReadsUnderWay {
    /// Returns whether a reader from four fences ago or earlier is still under way.
    pub(super) fn see_a_storm(&self, number: EpochNumber, epoch: u64) -> bool {
        self.places.get().is_some_and(|places| {
            let readers = places[number.index()].lock().unwrap_or_else(PoisonError::into_inner);
            readers.first().is_some_and(|(oldest, _)| oldest.saturating_add(STORM) <= epoch)
        })
    }

    fn enter(&self, number: EpochNumber, epoch: u64) {
        let places = self.places.get_or_init(|| (0..EPOCHS).map(|_| Mutex::default()).collect());
        let mut readers = places[number.index()].lock().unwrap_or_else(PoisonError::into_inner);
        match readers.binary_search_by_key(&epoch, |(epoch, _)| *epoch) {
            Ok(at) => readers[at].1 += 1,
            Err(at) => readers.insert(at, (epoch, 1)),
        }
    }

    fn leave(&self, number: EpochNumber, epoch: u64) {
        let Some(places) = self.places.get() else { return };
        let mut readers = places[number.index()].lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(at) = readers.binary_search_by_key(&epoch, |(epoch, _)| *epoch) {
            readers[at].1 -= 1;
            if readers[at].1 == 0 {
                readers.remove(at);
            }
        }
        // Nothing under way, nothing held.
        if readers.is_empty() {
            *readers = Vec::new();
        }
    }
}

impl ReadUnderWay {
    pub(super) fn enter(readers: &Arc<ReadsUnderWay>, number: EpochNumber, epoch: u64) -> Arc<Self> {
        readers.enter(number, epoch);
        Arc::new(Self { readers: Arc::clone(readers), number, epoch })
    }
}

impl Drop for ReadUnderWay {
    fn drop(&mut self) {
        self.readers.leave(self.number, self.epoch);
    }
}
