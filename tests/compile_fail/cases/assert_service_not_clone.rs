//! Every flight calls a clone of the service.

use std::convert::Infallible;

use tower::{Layer, util::BoxService};
use tower_singleflight::{SingleflightLayer, assert_service};

fn by_id(id: &u64) -> Option<u64> {
    Some(*id)
}

fn assert(service: BoxService<u64, u64, Infallible>) {
    assert_service::<u64, _>(&SingleflightLayer::new(by_id).layer(service));
}

fn main() {}
