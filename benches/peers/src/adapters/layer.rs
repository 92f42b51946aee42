//! The one generic Tower layer.

use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

use futures_util::{FutureExt, future::Map};
use tower::{
    Layer, ServiceExt,
    util::{ServiceFn, service_fn},
};
use tower_resilience_coalesce::{CoalesceLayer, CoalesceService};

use super::{Adapter, Work};

/// The lock only makes the request `Sync`, which the layer requires; nobody ever waits for it.
pub struct Request(u64, Mutex<Work>);
type Run = Map<Work, fn(u64) -> Result<u64, Infallible>>;
type Inner = ServiceFn<fn(Request) -> Run>;

#[derive(Clone)]
pub struct Coalesce(CoalesceService<Inner, u64, Request, fn(&Request) -> u64>);

fn run(Request(_, work): Request) -> Run {
    work.into_inner().unwrap_or_else(PoisonError::into_inner).map(Ok)
}

impl Adapter for Coalesce {
    const NAME: &'static str = "tower-resilience-coalesce 0.14";

    fn new() -> Self {
        let key: fn(&Request) -> u64 = |request| request.0;
        Self(CoalesceLayer::new(key).layer(service_fn(run as fn(Request) -> Run)))
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        self.0.clone().oneshot(Request(key, Mutex::new(work))).map(|value| value.unwrap_or(0))
    }
}
