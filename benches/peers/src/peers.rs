//! The peers, each behind the same few lines.

mod caches;
mod groups;
mod reference;
mod tower;

pub use self::{
    caches::{Moka, QuickCache},
    groups::{AsyncSingleflight, Ours, RsSingleflight, SingleflightAsync, Uniflight},
    reference::{Floor, SharedInMap},
    tower::Coalesce,
};
