//! How keys are hashed: at random, and cheaply.

use std::{
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
};

use foldhash::{SharedSeed, quality::SeedableRandomState};

/// Hashes with a seed of its own, which the system's randomness gives and nothing shows: whoever chooses the keys cannot
/// choose which of them collide. Colliding keys cost time, and are told apart: keys are compared whole.
///
/// A short key takes a sixth of the instructions that the SipHash of the standard library takes. SipHash would hold
/// against somebody who can watch hashes, or the order of a table; these never leave the group, whose table lists the
/// flights under way and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct KeyHasher(SeedableRandomState);

impl KeyHasher {
    pub(crate) fn new() -> Self {
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        let random = || RandomState::new().hash_one(());
        Self(SeedableRandomState::with_seed(random(), SHARED.get_or_init(|| SharedSeed::from_u64(random()))))
    }

    /// Returns a hasher whose seed is always the same, for tests that would fail if keys collided by chance.
    #[cfg(all(test, feature = "http"))]
    pub(crate) fn seeded() -> Self {
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        Self(SeedableRandomState::with_seed(0, SHARED.get_or_init(|| SharedSeed::from_u64(0))))
    }
}

impl BuildHasher for KeyHasher {
    type Hasher = <SeedableRandomState as BuildHasher>::Hasher;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}
