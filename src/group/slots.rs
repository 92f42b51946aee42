//! Where the flights of one shard are kept.

use std::{
    mem::forget,
    ops::{Index, IndexMut},
};

use slab::Slab;

/// Things in numbered slots, the first of them in place: a shard that has one flight at a time, as most have, allocates
/// nothing, and its flight shares the cache lines of the lock. That saves a solo call a tenth of its instructions.
pub(super) struct Slots<V> {
    /// The slot with the number [`FIRST`].
    first: Option<V>,
    /// The slots from there on.
    more: Slab<V>,
}

/// The slot that is in place.
pub(super) const FIRST: usize = 0;

impl<V> Slots<V> {
    pub(super) const fn new() -> Self {
        Self { first: None, more: Slab::new() }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: usize) -> Option<&mut V> {
        if slot == FIRST { self.first.as_mut() } else { self.more.get_mut(slot - 1) }
    }

    pub(super) fn first(&self) -> Option<&V> {
        self.first.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &V)> {
        let first = self.first.iter().map(|first| (FIRST, first));
        first.chain(self.more.iter().map(|(slot, value)| (slot + 1, value)))
    }

    /// Fills a slot. The value is made where it stays, not moved there.
    #[inline]
    pub(super) fn insert_with(&mut self, value: impl FnOnce() -> V) -> usize {
        if self.first.is_none() {
            // There is nothing to drop, which the compiler does not see.
            forget(self.first.replace(value()));
            return FIRST;
        }
        self.insert_more(value())
    }

    /// A function of its own, so that the value is made in one place alone where the first slot is free.
    #[inline(never)]
    fn insert_more(&mut self, value: V) -> usize {
        if self.more.capacity() == 0 {
            self.more.reserve_exact(1);
        }
        self.more.insert(value) + 1
    }

    /// Empties a slot that is known to be in use.
    #[inline]
    pub(super) fn remove(&mut self, slot: usize) -> V {
        if slot != FIRST {
            return self.more.remove(slot - 1);
        }
        match self.first.take() {
            Some(first) => first,
            None => unreachable!("the slot is in use"),
        }
    }

    /// Empties a slot whose value has nothing left to be dropped. That it is not moved out, and its fields are not
    /// looked at, saves 80 instructions.
    #[inline]
    pub(super) fn forget(&mut self, slot: usize) {
        if slot == FIRST { forget(self.first.take()) } else { forget(self.more.remove(slot - 1)) }
    }

    /// Gives back the memory of slots that are all empty, and says whether there was any (invariant 12). Room for one is
    /// kept: a shard that goes back and forth between one flight and two would free and allocate each time.
    #[inline]
    pub(super) fn shrink(&mut self) -> bool {
        let shrinks = self.more.is_empty() && self.more.capacity() > 1;
        if shrinks {
            self.more = Slab::new();
        }
        shrinks
    }
}

impl<V> Index<usize> for Slots<V> {
    type Output = V;

    #[inline]
    fn index(&self, slot: usize) -> &V {
        match &self.first {
            Some(first) if slot == FIRST => first,
            _ => &self.more[slot.wrapping_sub(1)],
        }
    }
}

impl<V> IndexMut<usize> for Slots<V> {
    #[inline]
    fn index_mut(&mut self, slot: usize) -> &mut V {
        match &mut self.first {
            Some(first) if slot == FIRST => first,
            _ => &mut self.more[slot.wrapping_sub(1)],
        }
    }
}
