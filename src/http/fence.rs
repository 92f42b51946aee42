//! Unsafe requests end the join windows of the flights for their URI (S21; RFC 9111, section 4.4).

use std::{
    hash::RandomState,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::group::HttpGroup;

/// More than the URIs that are written to at any one time; two that collide fence each other, which costs only a
/// flight.
const EPOCHS: usize = 1024;

/// One epoch for each URI, by hash. The epoch is a part of every key, so flights of the one before can be joined no
/// more.
#[derive(Default)]
pub(super) struct Fences {
    /// One for all layers of the group, so that a write through one of them fences the flights of the others.
    hasher: RandomState,
    /// Made by the first unsafe request.
    epochs: OnceLock<Box<[AtomicU64]>>,
}

impl Fences {
    /// Returns the epoch of a URI, by its hash.
    pub(super) fn epoch(&self, uri: impl FnOnce(&RandomState) -> u64) -> u64 {
        self.epochs.get().map_or(0, |epochs| epochs[place(uri(&self.hasher))].load(Ordering::Acquire))
    }

    fn advance(&self, uri: u64) {
        let epochs = self.epochs.get_or_init(|| (0..EPOCHS).map(|_| AtomicU64::new(0)).collect());
        epochs[place(uri)].fetch_add(1, Ordering::AcqRel);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
const fn place(uri: u64) -> usize {
    uri as usize % EPOCHS
}

/// An unsafe request under way: who asks after it began joins no flight from before, and who asks after its end none
/// that may have read what it was about to change.
pub(super) struct Fence {
    group: HttpGroup,
    uri: u64,
}

impl Fence {
    pub(super) fn new(group: HttpGroup, uri: impl FnOnce(&RandomState) -> u64) -> Self {
        let uri = uri(&group.fences().hasher);
        group.fences().advance(uri);
        Self { group, uri }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.group.fences().advance(self.uri);
    }
}
