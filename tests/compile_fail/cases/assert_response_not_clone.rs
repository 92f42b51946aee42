//! Every caller gets a response of its own.

use std::convert::Infallible;

use tower::{Layer, util::BoxCloneSyncService};
use tower_singleflight::{SingleflightLayer, assert_service};

struct Response;

fn by_id(id: &u64) -> Option<u64> {
    Some(*id)
}

fn assert(service: BoxCloneSyncService<u64, Response, Infallible>) {
    assert_service::<u64, _>(&SingleflightLayer::new(by_id).layer(service));
}

fn main() {}
