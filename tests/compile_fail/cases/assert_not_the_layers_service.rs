//! What wraps the layer's service is not that service.

use std::convert::Infallible;

use tower::{timeout::Timeout, util::BoxCloneSyncService};
use tower_singleflight::{Singleflight, assert_service, http::HttpSingleflight};

type Service = BoxCloneSyncService<u64, u64, Infallible>;

fn wrapped(service: Timeout<Singleflight<Service, fn(&u64) -> Option<u64>, u64, Result<u64, Infallible>>>) {
    assert_service::<u64, _>(&service);
}

fn no_http(service: HttpSingleflight<Service>) {
    assert_service::<u64, _>(&service);
}

fn main() {}
