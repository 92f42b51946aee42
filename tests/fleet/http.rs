//! The rules of HTTP with leader and follower in different processes: each is a layer, a group and a fleet of its own.

mod bodies;
mod fences;
mod oddities;
mod private;
mod rules;
#[cfg(feature = "status")]
mod status;

use http::{Request, Response};
use tokio::task::JoinHandle;
use tower_singleflight::{
    HttpSingleflightLayer, SharedBody,
    fleet::{Fleet, FleetReason, FleetRole, FleetSettings, MemoryEngine},
};

use crate::origin::{Answer, OriginBody, Plain, RequestBody, bench, coalesced};

/// What one process was answered, and what became of it there.
pub(crate) type Given = Response<SharedBody<OriginBody>>;

/// So many processes whose layers were told the same.
fn nodes<const N: usize>(engine: &MemoryEngine, layer: impl Fn() -> HttpSingleflightLayer) -> [Plain; N] {
    [(); N].map(|()| node(engine, layer()))
}

pub(crate) fn node(engine: &MemoryEngine, layer: HttpSingleflightLayer) -> Plain {
    node_with(engine, layer, FleetSettings::new())
}

fn node_with(engine: &MemoryEngine, layer: HttpSingleflightLayer, settings: FleetSettings) -> Plain {
    let fleet = Fleet::with_settings(engine.clone(), [7; 32], settings).expect("good settings");
    bench(layer.fleet(fleet, "pages"))
}

/// Sends a request in a task, and lets it come as far as it can.
pub(crate) async fn ask(node: &mut Plain, request: Request<RequestBody>) -> JoinHandle<Answer> {
    let call = node.call(request);
    let task = tokio::spawn(call.into_inner());
    node.settle().await;
    task
}

pub(crate) async fn answered(task: JoinHandle<Answer>) -> Given {
    task.await.expect("no panic").expect("an answer")
}

pub(crate) fn fleet(response: &Given) -> Option<FleetRole> {
    coalesced(response).fleet
}

fn local(reason: FleetReason) -> Option<FleetRole> {
    Some(FleetRole::Local(reason))
}
