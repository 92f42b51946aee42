//! What a fleet has done, counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::role::{FleetReason, FleetRole};

/// What a process has done in its fleet since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetStats {
    /// Flights whose work ran here, and that other processes could join.
    pub led: u64,
    /// Of these, those that were told to others when they landed.
    pub landed: u64,
    /// Flights that got the outcome of another process, those whose `share_if` panicked on it among them.
    pub followed: u64,
    /// Flights that were for the fleet and ran their work without it, for whatever reason. Flights that never ask the fleet are
    /// not counted: those of private requests, and those that `fleet_if` keeps in the process.
    pub local: u64,
    /// Of these, those that did so because the engine did not answer, or had not done so of late.
    pub without_engine: u64,
    /// Leases that ended before their work did: another process may have run the same.
    pub lost: u64,
    /// Messages that were refused, since they were forged or broken, or of another version.
    pub bad_messages: u64,
    /// Writes that the engine did not acknowledge within the budget.
    pub unfenced: u64,
    /// Whether the engine is being skipped now, since it has not answered of late.
    pub skipping: bool,
    /// Paths and gRPC services with a write that the engine does not know of yet, now: their flights stay in this process.
    /// There are 1,024 of them at most; 1,025 says that there are more, and that the flights of all stay.
    pub untold: usize,
    /// Observers that have panicked, and are told nothing any more.
    pub observers_off: usize,
}

/// The same, while it is counted: one for each field of [`FleetStats`] that is a count and no sum.
#[derive(Default)]
pub(super) struct Counts {
    led: AtomicU64,
    landed: AtomicU64,
    followed: AtomicU64,
    local: [AtomicU64; FleetReason::ALL.len()],
    lost: AtomicU64,
    bad_messages: AtomicU64,
    unfenced: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, role: FleetRole) {
        let count = match role {
            FleetRole::Led => &self.led,
            FleetRole::Followed => &self.followed,
            FleetRole::Local(reason) => &self.local[reason as usize],
        };
        count.fetch_add(1, Relaxed);
    }

    pub(super) fn count_landed(&self) {
        self.landed.fetch_add(1, Relaxed);
    }

    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(super) fn count_bad_message(&self) {
        self.bad_messages.fetch_add(1, Relaxed);
    }

    #[cfg(feature = "http")]
    pub(super) fn count_unfenced(&self) {
        self.unfenced.fetch_add(1, Relaxed);
    }

    pub(super) fn local(&self, reason: FleetReason) -> u64 {
        self.local[reason as usize].load(Relaxed)
    }

    pub(super) fn get(&self, skipping: bool, untold: usize, observers_off: usize) -> FleetStats {
        FleetStats {
            led: self.led.load(Relaxed),
            landed: self.landed.load(Relaxed),
            followed: self.followed.load(Relaxed),
            local: FleetReason::ALL.into_iter().map(|reason| self.local(reason)).sum(),
            without_engine: self.local(FleetReason::Unavailable) + self.local(FleetReason::Skipped),
            lost: self.lost.load(Relaxed),
            bad_messages: self.bad_messages.load(Relaxed),
            unfenced: self.unfenced.load(Relaxed),
            skipping,
            untold,
            observers_off,
        }
    }
}
