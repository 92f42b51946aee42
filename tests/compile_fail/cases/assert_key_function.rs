//! Key functions of the wrong shape.

use std::convert::Infallible;

use tower::{Layer, util::BoxCloneSyncService};
use tower_singleflight::{SingleflightLayer, assert_service};

type Service = BoxCloneSyncService<u64, u64, Infallible>;

#[derive(Clone)]
struct ById;

#[derive(Clone)]
struct Point(u64);

fn always(id: &u64) -> u64 {
    *id
}

fn by_value(id: u64) -> Option<u64> {
    Some(id)
}

fn of_another(name: &String) -> Option<String> {
    Some(name.clone())
}

fn to_no_key(id: &u64) -> Option<Point> {
    Some(Point(*id))
}

fn no_function(service: Service) {
    assert_service::<u64, _>(&SingleflightLayer::new(ById).layer(service));
}

fn a_key_that_is_always_there(service: Service) {
    assert_service::<u64, _>(&SingleflightLayer::new(always).layer(service));
}

fn the_request_by_value(service: Service) {
    assert_service::<u64, _>(&SingleflightLayer::new(by_value).layer(service));
}

fn another_request(service: Service) {
    assert_service::<u64, _>(&SingleflightLayer::new(of_another).layer(service));
}

fn no_key(service: Service) {
    assert_service::<u64, _>(&SingleflightLayer::new(to_no_key).layer(service));
}

fn main() {}
