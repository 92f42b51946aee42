//! Caches that coalesce. Every key is asked for once, or its value is removed: they are measured as groups.

use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;

use crate::peer::Peer;

#[derive(Clone)]
pub struct Moka(moka::future::Cache<u64, u64>);

impl Peer for Moka {
    const NAME: &'static str = "moka 0.12";

    fn new() -> Self {
        Self(moka::future::Cache::new(64))
    }

    fn call(&self, key: u64, work: BoxFuture<'static, u64>) -> impl Future<Output = u64> + Send + 'static {
        let cache = self.0.clone();
        async move {
            // Removed by the one who made it, before anybody has it.
            let made = async { work.await };
            let entry = cache.entry(key).or_insert_with(made).await;
            if entry.is_fresh() {
                cache.invalidate(&key).await;
            }
            entry.into_value()
        }
    }
}

#[derive(Clone)]
pub struct QuickCache(Arc<quick_cache::sync::Cache<u64, u64>>);

impl Peer for QuickCache {
    const NAME: &'static str = "quick_cache 0.7";

    fn new() -> Self {
        Self(Arc::new(quick_cache::sync::Cache::new(64)))
    }

    fn call(&self, key: u64, work: BoxFuture<'static, u64>) -> impl Future<Output = u64> + Send + 'static {
        let cache = Arc::clone(&self.0);
        async move {
            let mut made = false;
            let value = cache
                .get_or_insert_async::<_, ()>(&key, async {
                    made = true;
                    Ok(work.await)
                })
                .await;
            if made {
                cache.remove(&key);
            }
            value.unwrap_or(0)
        }
    }
}
