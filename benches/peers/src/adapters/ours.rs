//! The crate itself.

use futures_util::FutureExt;
use tower_singleflight::Group;

use super::{Adapter, Work};

#[derive(Clone)]
pub struct Ours(Group<u64, u64>);

impl Adapter for Ours {
    const NAME: &'static str = "tower-singleflight";

    fn new() -> Self {
        Self(Group::new())
    }

    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static {
        self.0.call(key, || work).map(|outcome| outcome.value)
    }
}
