//! The obvious twenty lines.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{Shared, WeakShared},
};

use super::{Adapter, Work};

/// `futures_util::future::Shared` in a map; the map holds it weakly, so that the work is dropped with its last caller.
#[derive(Clone)]
pub struct SharedInMap(Arc<Mutex<HashMap<u64, WeakShared<Work>>>>);

impl Adapter for SharedInMap {
    const NAME: &'static str = "Shared in a map";

    fn new() -> Self {
        Self(Arc::default())
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let map = Arc::clone(&self.0);
        async move {
            let shared = join(&map, key, work);
            let value = shared.clone().await;
            let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
            let listed = map.get(&key).map(WeakShared::upgrade);
            if listed.is_some_and(|listed| listed.is_none_or(|listed| listed.ptr_eq(&shared))) {
                map.remove(&key);
            }
            value
        }
    }
}

fn join(map: &Mutex<HashMap<u64, WeakShared<Work>>>, key: u64, work: Work) -> Shared<Work> {
    let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = map.get(&key).and_then(WeakShared::upgrade) {
        return shared;
    }
    let shared = work.shared();
    if let Some(weak) = shared.downgrade() {
        map.insert(key, weak);
    }
    shared
}
