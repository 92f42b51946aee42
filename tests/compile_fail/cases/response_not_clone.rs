//! A response goes to many.

use tower::{Layer, Service, service_fn};
use tower_singleflight::SingleflightLayer;

struct Response;

fn main() {
    let service = service_fn(|_: u64| async move { Ok::<_, std::convert::Infallible>(Response) });
    let mut service = SingleflightLayer::new(|id: &u64| Some(*id)).layer(service);
    let _ = Service::<u64>::call(&mut service, 7);
}
