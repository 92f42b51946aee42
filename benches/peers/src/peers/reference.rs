//! What to compare with: the obvious twenty lines, and the least that any group must do.

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::peer::Peer;

type Work = BoxFuture<'static, u64>;

/// `futures::Shared` in a map.
#[derive(Clone)]
pub struct SharedInMap(Arc<Mutex<HashMap<u64, WeakShared<Work>>>>);

impl Peer for SharedInMap {
    const NAME: &'static str = "futures::Shared in a map";

    fn new() -> Self {
        Self(Arc::default())
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let map = Arc::clone(&self.0);
        async move {
            let shared: Shared<Work> = match map.lock().expect("not poisoned").entry(key) {
                Entry::Occupied(mut entry) => entry.get().upgrade().unwrap_or_else(|| {
                    let shared = work.shared();
                    entry.insert(shared.downgrade().expect("not polled yet"));
                    shared
                }),
                Entry::Vacant(entry) => {
                    let shared = work.shared();
                    entry.insert(shared.downgrade().expect("not polled yet"));
                    shared
                }
            };
            let value = shared.clone().await;
            let mut map = map.lock().expect("not poisoned");
            if map.get(&key).and_then(WeakShared::upgrade).is_none_or(|listed| listed.ptr_eq(&shared)) {
                map.remove(&key);
            }
            value
        }
    }
}

/// A map in shards, an insertion and a removal, two allocations: no sharing.
#[derive(Clone)]
pub struct Floor(Arc<(RandomState, [Mutex<HashMap<u64, Box<u64>>>; 16])>);

impl Peer for Floor {
    const NAME: &'static str = "the floor";

    fn new() -> Self {
        Self(Arc::default())
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let shards = Arc::clone(&self.0);
        async move {
            let shard = &shards.1[shards.0.hash_one(key) as usize % 16];
            shard.lock().expect("not poisoned").insert(key, Box::new(key));
            let value = Box::new(work.await);
            shard.lock().expect("not poisoned").remove(&key);
            *value
        }
    }
}
