//! Where a flight is.

use std::num::NonZeroU64;

use crate::observe::FlightId;

/// Where a flight is. A slot is used again; the serial number tells whose it is now (invariant 4).
#[derive(Clone, Copy)]
pub(super) struct FlightRef {
    pub(super) slot: usize,
    pub(super) serial: u64,
}

impl FlightRef {
    pub(super) fn id(self, shard: NonZeroU64) -> FlightId {
        FlightId { shard, serial: self.serial }
    }
}
