//! Work that may come to what began elsewhere, while older work of its key is being dropped (invariant 5): fresh callers wait
//! behind it already, though it has not begun (invariant 13).

use std::{future::Future, thread};

use tokio::runtime::Builder;
use tokio_test::{
    assert_pending,
    task::{self, Spawn},
};
use tower_singleflight::{
    Group, Outcome,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
};

use crate::{
    process::{SECRET, settle},
    slow_drop::Dropping,
};

/// Calls the key; the fleet would be asked first.
fn call(group: &Group<u32, u32>, value: u32) -> Spawn<impl Future<Output = Outcome<u32>> + Send + use<>> {
    let fleet = Fleet::new(MemoryEngine::new(), SECRET);
    let mut call = task::spawn(fleet.call(group, 7, PostcardCodec::new(), move || async move { value }));
    assert_pending!(call.poll());
    call
}

fn fresh(group: &Group<u32, u32>, value: u32) -> Spawn<impl Future<Output = Outcome<u32>> + Send + use<>> {
    let mut call = task::spawn(group.call_fresh(7, move || async move { value }));
    assert_pending!(call.poll());
    call
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_drop_waits_for_nothing_else_when_it_is_forgotten() {
    let group = Group::new();
    let dropping = Dropping::of(&group, 7);
    let (forgotten, fresh) = (call(&group, 1), fresh(&group, 2));
    assert_eq!((group.callers(&7), group.waiting(&7)), (1, 1));
    assert!(group.forget(&7));
    assert_eq!((group.callers(&7), group.waiting(&7), group.in_flight()), (1, 0, 1), "the fresh caller has the key");
    let fresh = tokio::spawn(fresh.into_inner());
    settle().await;
    assert_eq!(fresh.await.expect("forgetting has started it").value, 2);

    assert!(!forgotten.is_woken(), "the older work is being dropped still");
    dropping.finish();
    settle().await;
    assert!(forgotten.is_woken());
    assert_eq!(forgotten.into_inner().await.value, 1);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_a_flight_that_is_lost_during_a_drop_has_its_key() {
    let group = Group::new();
    let dropping = Dropping::of(&group, 7);
    let lost = call(&group, 1);
    let other = Builder::new_current_thread().build().expect("a runtime starts");
    let follower = {
        let _other = other.enter();
        group.call(7, || async { 3 })
    };
    let mut fresh = fresh(&group, 2);
    assert_eq!((group.callers(&7), group.waiting(&7)), (2, 1));
    thread::spawn(move || drop(other)).join().expect("the runtime ends");
    assert_eq!((group.callers(&7), group.waiting(&7), group.in_flight()), (1, 0, 1));
    assert_eq!(follower.await.value, 3, "it has gone alone");
    assert_eq!(lost.into_inner().await.value, 1, "it drives its own work");
    assert_pending!(fresh.poll());
    let last = group.call(7, || async { 4 });
    assert_eq!(group.callers(&7), 2);

    dropping.finish();
    let outcome = tokio::spawn(fresh.into_inner()).await.expect("it starts");
    assert_eq!((outcome.value, outcome.callers, last.await.value), (2, 2, 2));
    assert!(group.is_empty());
}
