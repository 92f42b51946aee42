//! What tools such as tokio-console call the tasks of this crate: `RUSTFLAGS="--cfg tokio_unstable" cargo test -p task-names`.

#![cfg(tokio_unstable)]

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use tower_singleflight::{
    Group,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry};

/// The names of the tasks that were started.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Names {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "runtime.spawn" {
            attributes.record(&mut self.clone());
        }
    }
}

impl Visit for Names {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "task.name" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

#[tokio::test]
async fn tasks_have_names() {
    let names = Names::default();
    let _watched = registry().with(names.clone()).set_default();
    let group = Group::new();
    let (one, other) = tokio::join!(group.call(7, || async { 1 }), group.call(7, || async { 2 }));
    assert_eq!((one.value, other.value), (1, 1));
    assert_eq!(std::mem::take(&mut *names.0.lock().unwrap()), ["singleflight.flight"]);

    let fleet = Fleet::new(MemoryEngine::new(), [7; 32]);
    assert_eq!(fleet.call(&group, 7, PostcardCodec::new(), || async { 3 }).await.value, 3);
    let names = names.0.lock().unwrap();
    assert!(!names.is_empty() && names.iter().all(|name| name == "singleflight.fleet"), "{names:?}");
    assert!(group.is_empty());
}
