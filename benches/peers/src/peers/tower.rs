//! The one generic layer.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Mutex, PoisonError},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Map},
};
use tower::{
    Layer, ServiceExt,
    util::{ServiceFn, service_fn},
};
use tower_resilience_coalesce::{CoalesceLayer, CoalesceService};

use crate::peer::Peer;

/// The lock is for the layer's `Sync` alone: nobody ever waits for it.
pub struct Request(u64, Mutex<BoxFuture<'static, u64>>);
type Run = Map<BoxFuture<'static, u64>, fn(u64) -> Result<u64, Infallible>>;
type Inner = ServiceFn<fn(Request) -> Run>;

#[derive(Clone)]
pub struct Coalesce(CoalesceService<Inner, u64, Request, fn(&Request) -> u64>);

fn run(Request(_, work): Request) -> Run {
    work.into_inner().unwrap_or_else(PoisonError::into_inner).map(Ok)
}

impl Peer for Coalesce {
    const NAME: &'static str = "tower-resilience-coalesce 0.14";

    fn new() -> Self {
        let key: fn(&Request) -> u64 = |request| request.0;
        Self(CoalesceLayer::new(key).layer(service_fn(run as fn(Request) -> Run)))
    }

    fn call(&self, key: u64, work: BoxFuture<'static, u64>) -> impl Future<Output = u64> + Send + 'static {
        let service = self.0.clone();
        service.oneshot(Request(key, Mutex::new(work))).map(|value| value.unwrap_or(0))
    }
}
