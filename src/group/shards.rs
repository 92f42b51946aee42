//! The shards of a group.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use super::shard::Shard;
use crate::{Limits, observe::Observers, threads::threads};

/// How many there are for each thread that the machine runs at once. With 8 of them two threads, each of whose calls had a
/// key of its own, made 1.04 times the calls of one; with 32 it is 1.2 to 1.4 times. More would help, and take memory in
/// each group: `docs/benchmarks.md`.
const PER_THREAD: usize = 32;

/// A shard, once its first key has come.
type ShardCell<K, T> = OnceLock<Arc<Shard<K, T>>>;

/// A power of two of shards. Each is made when the first key comes to it, and stays: a group of few keys takes little room,
/// however many threads there are.
pub(super) struct Shards<K, T> {
    shards: Box<[ShardCell<K, T>]>,
    limits: Limits,
    /// How many flights the group has, where a limit asks for it.
    flights: Option<Arc<AtomicUsize>>,
    observers: Arc<Observers>,
    unserved: Arc<AtomicU64>,
}

impl<K, T> Shards<K, T> {
    pub(super) fn new(limits: Limits, observers: Arc<Observers>) -> Self {
        let shards = (0..(PER_THREAD * threads()).next_power_of_two()).map(|_| OnceLock::new()).collect();
        let flights = (limits.max_flights != usize::MAX).then(Arc::default);
        Self { shards, limits, flights, observers, unserved: Arc::default() }
    }

    /// Returns the shard that keys with this hash belong to.
    #[inline]
    pub(super) fn of(&self, hash: u64) -> &Arc<Shard<K, T>> {
        // The table under the shard uses the top and the bottom bits.
        let number = (hash >> 32) as usize & (self.shards.len() - 1);
        self.shards[number].get_or_init(|| self.make())
    }

    #[cold]
    fn make(&self) -> Arc<Shard<K, T>> {
        let (observers, unserved) = (Arc::clone(&self.observers), Arc::clone(&self.unserved));
        Arc::new(Shard::new(self.limits, self.flights.clone(), observers, unserved))
    }

    /// Returns how many followers got no value though their flight had landed with one.
    pub(super) fn unserved(&self) -> u64 {
        self.unserved.load(Relaxed)
    }

    /// Returns the shards that a key has come to; the others are empty.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Shard<K, T>>> {
        self.shards.iter().filter_map(OnceLock::get)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use crate::Group;

    #[test]
    fn a_shard_is_made_when_the_first_key_comes_to_it() {
        let group = Group::new();
        let made = || group.inner.shards.iter().count();
        assert_eq!((group.in_flight(), group.stats().calls(), made()), (0, 0, 0));
        drop(group.call(7, || ready(7)));
        drop(group.call(7, || ready(7)));
        assert_eq!((group.stats().calls(), made()), (2, 1));
        (0..10_000).for_each(|key| drop(group.call(key, move || ready(key))));
        assert_eq!(made(), group.inner.shards.shards.len(), "keys come to all of them");
        assert!(group.is_empty());
    }
}
