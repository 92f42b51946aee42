//! Digests that show nothing of what they were made of.

use std::hash::{BuildHasher, RandomState};

use blake3::Hasher;

/// Makes digests with a key of its own, which is random and is never shown: equal digests mean equal values, and nobody
/// can find a value by trying.
#[derive(Clone)]
pub(super) struct Digester {
    key: [u8; 32],
}

impl Digester {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let mut key = [0; 32];
        for (number, part) in key.chunks_mut(8).enumerate() {
            part.copy_from_slice(&random.hash_one(number).to_le_bytes());
        }
        Self { key }
    }

    /// Returns the hasher of one stream of bytes.
    pub(super) fn stream(&self) -> Hasher {
        Hasher::new_keyed(&self.key)
    }

    /// Returns the digest of some values in this order.
    pub(super) fn of<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> u64 {
        let mut hasher = self.stream();
        for value in values {
            hasher.update(&(value.len() as u64).to_le_bytes());
            hasher.update(value);
        }
        short(&hasher)
    }
}

/// Returns 64 bits of the digest of what a hasher has got.
pub(super) fn short(hasher: &Hasher) -> u64 {
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
