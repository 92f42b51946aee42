//! A key function has to say `Some`.

use tower::{Layer, Service, service_fn};
use tower_singleflight::SingleflightLayer;

fn main() {
    let service = service_fn(|id: u64| async move { Ok::<_, std::convert::Infallible>(id) });
    let mut service = SingleflightLayer::new(|id: &u64| *id).layer(service);
    let _ = Service::<u64>::call(&mut service, 7);
}
