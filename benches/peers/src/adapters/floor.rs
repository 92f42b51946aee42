//! Yardsticks of cost: no group at all, and the least that any group must do. Neither shares anything.

use std::{
    array::from_fn,
    hash::{BuildHasher, RandomState},
    hint::black_box,
    sync::{Arc, Mutex, PoisonError},
};

use hashbrown::HashTable;

use super::{Adapter, Work};

/// The work alone, boxed.
#[derive(Clone)]
pub struct Bare;

impl Adapter for Bare {
    const NAME: &'static str = "the bare work";

    fn new() -> Self {
        Self
    }

    fn call(&self, _key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        work
    }
}

type Entry = (u64, Box<u64>);

#[repr(align(128))]
struct Shard(Mutex<HashTable<Entry>>);

/// One keyed hash, a sharded insertion and removal, two allocations.
#[derive(Clone)]
pub struct Floor(Arc<(RandomState, [Shard; 16])>);

impl Adapter for Floor {
    const NAME: &'static str = "the floor";

    fn new() -> Self {
        Self(Arc::new((RandomState::new(), from_fn(|_| Shard(Mutex::new(HashTable::new()))))))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let map = Arc::clone(&self.0);
        async move {
            let hash = map.0.hash_one(key);
            let shard = &map.1[(hash >> 32) as usize % 16].0;
            let flight = Box::new(key);
            shard.lock().unwrap_or_else(PoisonError::into_inner).insert_unique(hash, (hash, flight), |entry| entry.0);
            let value = black_box(Box::new(work.await));
            let entry = remove(shard, hash, key);
            drop(entry);
            *value
        }
    }
}

fn remove(shard: &Mutex<HashTable<Entry>>, hash: u64, key: u64) -> Option<Entry> {
    let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = shard.find_entry(hash, |entry| *entry.1 == key).ok()?;
    Some(entry.remove().0)
}
