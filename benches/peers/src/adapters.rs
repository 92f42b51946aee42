//! The peers that are measured, each behind the same trait.

mod caches;
mod floor;
mod groups;
mod layer;
mod ours;
mod shared;

use futures_util::future::BoxFuture;

pub use self::{
    caches::{Moka, QuickCache},
    floor::{Bare, Floor},
    groups::{AsyncSingleflight, RsSingleflight, SingleflightAsync, Uniflight},
    layer::Coalesce,
    ours::Ours,
    shared::SharedInMap,
};

/// The work of a call, the same for all.
pub type Work = BoxFuture<'static, u64>;

/// Runs work once for all who ask for a key at the same time.
pub trait Adapter: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn new() -> Self;

    /// Asks for the key; resolves to the value of the work that ran, this call's or another's.
    fn call(&self, key: u64, work: Work) -> impl Future<Output = u64> + Send + 'static;
}
