//! Caches that coalesce, used as groups: the call whose work ran removes the value before it returns. A call that comes
//! just before the removal finds the value, which the hammer counts as stale.

use std::sync::Arc;

use super::{Adapter, Work};

#[derive(Clone)]
pub struct Moka(moka::future::Cache<u64, u64>);

impl Adapter for Moka {
    const NAME: &'static str = "moka 0.12";

    fn new() -> Self {
        Self(moka::future::Cache::new(1024))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let cache = self.0.clone();
        async move {
            let entry = cache.entry(key).or_insert_with(work).await;
            if entry.is_fresh() {
                cache.invalidate(&key).await;
            }
            entry.into_value()
        }
    }
}

#[derive(Clone)]
pub struct QuickCache(Arc<quick_cache::sync::Cache<u64, u64>>);

impl Adapter for QuickCache {
    const NAME: &'static str = "quick_cache 0.7";

    fn new() -> Self {
        Self(Arc::new(quick_cache::sync::Cache::new(1024)))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let cache = Arc::clone(&self.0);
        async move {
            let mut ran = false;
            let run = async {
                ran = true;
                Ok::<_, ()>(work.await)
            };
            let value = cache.get_or_insert_async(&key, run).await;
            if ran {
                cache.remove(&key);
            }
            value.unwrap_or(0)
        }
    }
}
