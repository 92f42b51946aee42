//! So does an error.

use tower::{BoxError, Layer, Service, service_fn};
use tower_singleflight::SingleflightLayer;

fn main() {
    let service = service_fn(|id: u64| async move { Ok::<_, BoxError>(id) });
    let mut service = SingleflightLayer::new(|id: &u64| Some(*id)).layer(service);
    let _ = Service::<u64>::call(&mut service, 7);
}
