//! Tokens, nonces and pauses.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{Token, settings::FleetError};

/// Makes bytes that no two calls of any two processes have in common, from a random key and a count.
pub(super) struct Random {
    key: [u8; 32],
    calls: AtomicU64,
    /// The state of the pauses, which need not be secret.
    pauses: AtomicU64,
}

impl Random {
    pub(super) fn new(pauses: Option<u64>) -> Result<Self, FleetError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| FleetError::no_randomness())?;
        let (first, _) = key.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let pauses = pauses.unwrap_or(u64::from_le_bytes(*first));
        Ok(Self { key, calls: AtomicU64::new(0), pauses: AtomicU64::new(pauses) })
    }

    /// Returns 24 bytes that never come again.
    pub(super) fn unique(&self) -> [u8; 24] {
        let count = self.calls.fetch_add(1, Relaxed);
        let digest = blake3::keyed_hash(&self.key, &count.to_le_bytes());
        let mut bytes = [0; 24];
        bytes.copy_from_slice(&digest.as_bytes()[..24]);
        bytes
    }

    pub(super) fn token(&self) -> Token {
        Token::from(self.unique())
    }

    /// Returns a time from the first to the last of these, in whole milliseconds, so that many processes that wait for the
    /// same moment do not all act in it.
    pub(super) fn pause(&self, first: Duration, last: Duration) -> Duration {
        let state = self.pauses.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        let span = u64::try_from(last.saturating_sub(first).as_millis()).unwrap_or(u64::MAX - 1);
        first + Duration::from_millis(mixed(state) % (span + 1))
    }
}

/// How far the state of a splitmix64 generator goes on for each number.
pub(super) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the number of a splitmix64 generator in this state.
pub(super) const fn mixed(state: u64) -> u64 {
    let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
