//! What a peer has to do to be measured.

use std::future::Future;

use futures_util::future::BoxFuture;

/// Runs work once for all who ask for a key at the same time.
pub trait Peer: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;

    fn call(&self, key: u64, work: BoxFuture<'static, u64>) -> impl Future<Output = u64> + Send + 'static;
}
