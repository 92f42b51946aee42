//! Which keys a dry run watches.

/// The part of all keys that is watched: `n` of every `m`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) n: u32,
    pub(crate) m: u32,
}

impl Sample {
    pub(crate) const ALL: Self = Self { n: 1, m: 1 };

    /// Returns whether a key of this hash is watched; a table may take the lowest bits of the hash.
    pub(crate) fn watches(self, hash: u64) -> bool {
        let Self { n, m } = self;
        m > 0 && (((hash >> 16) & 0xffff_ffff) * u64::from(m)) >> 32 < u64::from(n)
    }
}
