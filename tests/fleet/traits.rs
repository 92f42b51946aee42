//! Which of the public types of fleets cross threads.

use tower_singleflight::fleet::{Fleet, FleetCall, FleetSettings, FleetStats, MemoryEngine};

fn crosses_threads<T: Send + Sync>() {}
fn moves_between_threads<T: Send + Unpin>() {}

#[test]
fn the_public_types_cross_threads() {
    crosses_threads::<(Fleet, FleetSettings, FleetStats, MemoryEngine)>();
    moves_between_threads::<FleetCall<String, String, fn() -> std::future::Ready<String>>>();
}
