//! Every caller gets an error of its own.

use tower::{BoxError, Layer, util::BoxCloneSyncService};
use tower_singleflight::{SingleflightLayer, assert_service};

fn by_id(id: &u64) -> Option<u64> {
    Some(*id)
}

fn assert(service: BoxCloneSyncService<u64, u64, BoxError>) {
    assert_service::<u64, _>(&SingleflightLayer::new(by_id).layer(service));
}

fn main() {}
