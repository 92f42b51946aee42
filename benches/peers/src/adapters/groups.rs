//! Groups in the manner of Go.

use std::sync::Arc;

use super::{Adapter, Work};

#[derive(Clone)]
pub struct SingleflightAsync(Arc<singleflight_async::SingleFlight<u64, u64>>);

impl Adapter for SingleflightAsync {
    const NAME: &'static str = "singleflight-async 0.2";

    fn new() -> Self {
        Self(Arc::new(singleflight_async::SingleFlight::new()))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let group = Arc::clone(&self.0);
        async move { group.work(key, || work).await }
    }
}

#[derive(Clone)]
pub struct RsSingleflight(Arc<rs_singleflight::Group<u64, u64, ()>>);

impl Adapter for RsSingleflight {
    const NAME: &'static str = "rs-singleflight 0.2";

    fn new() -> Self {
        Self(Arc::new(rs_singleflight::Group::new()))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let group = Arc::clone(&self.0);
        async move { group.do_call(key, || async move { Ok(work.await) }).await.unwrap_or(0) }
    }
}

#[derive(Clone)]
pub struct AsyncSingleflight(Arc<async_singleflight::UnaryGroup<u64, u64>>);

impl Adapter for AsyncSingleflight {
    const NAME: &'static str = "async_singleflight 0.6";

    fn new() -> Self {
        Self(Arc::new(async_singleflight::UnaryGroup::new()))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let group = Arc::clone(&self.0);
        async move { group.work(&key, work).await }
    }
}

#[derive(Clone)]
pub struct Uniflight(Arc<uniflight::Merger<u64, u64>>);

impl Adapter for Uniflight {
    const NAME: &'static str = "uniflight 0.8";

    fn new() -> Self {
        Self(Arc::new(uniflight::Merger::new()))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        let call = self.0.execute(&key, || work);
        async move { call.await.unwrap_or(0) }
    }
}
