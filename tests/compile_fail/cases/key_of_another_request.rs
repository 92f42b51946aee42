//! A key function is asked about the service's requests.

use tower::{Layer, Service, service_fn};
use tower_singleflight::SingleflightLayer;

#[derive(Clone)]
struct ById;

fn main() {
    let service = service_fn(|id: u64| async move { Ok::<_, std::convert::Infallible>(id) });
    let mut service: tower_singleflight::Singleflight<_, _, u64, _> = SingleflightLayer::new(ById).layer(service);
    let _ = Service::<u64>::call(&mut service, 7);
}
