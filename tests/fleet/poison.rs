//! User code that panics beside the work: it does so in one process, and the others do not wait for one another.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    Group, SingleflightLayer,
    fleet::{Codec, Fleet, FleetEvent, FleetRole, FleetStats, MemoryEngine, PostcardCodec},
};

use crate::process::SECRET;

const WORK: Duration = Duration::from_millis(100);

/// The predicate, and not the work, is what panics: one process after the other would wait for the next to do so.
#[tokio::test(start_paused = true)]
async fn f1_a_predicate_that_panics_does_not_make_one_process_after_the_other_wait() {
    let engine = MemoryEngine::new();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let fleet = Fleet::new(engine.clone(), SECRET);
            let layer = SingleflightLayer::new(|id: &u64| Some(*id))
                .share_if(|_: &Result<u64, ()>| panic!("the predicate"))
                .fleet(fleet, "rows", PostcardCodec::new());
            let mut service = layer.layer(service_fn(|id: u64| async move {
                sleep(WORK).await;
                Ok::<_, ()>(id)
            }));
            let call = service.call(7);
            tokio::spawn(async move { (AssertUnwindSafe(call).catch_unwind().await.is_err(), drop(service)) })
        })
        .collect();
    let asked = Instant::now();
    for call in calls {
        assert!(call.await.unwrap().0, "it is the predicate's panic, as it would be without the fleet");
    }
    assert!(asked.elapsed() < 3 * WORK, "{:?}", asked.elapsed());
}

/// Each flight that asks the fleet is counted once, whatever it comes to: this one has got the outcome of another process.
#[tokio::test(start_paused = true)]
async fn a_flight_whose_predicate_panics_on_the_outcome_of_another_process_has_followed() {
    let engine = MemoryEngine::new();
    let fleets = [(); 2].map(|()| Fleet::new(engine.clone(), SECRET));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_by = Arc::clone(&seen);
    drop(fleets[1].clone().observed(move |event| {
        if let FleetEvent::Asked(role) = event {
            seen_by.lock().unwrap().push(*role);
        }
    }));
    let calls = fleets.each_ref().map(|fleet| {
        let own = fleet.clone();
        let layer = SingleflightLayer::new(|id: &u64| Some(*id))
            .share_if(move |_: &Result<u64, ()>| own.stats().led == 1 || panic!("the predicate"))
            .fleet(fleet.clone(), "rows", PostcardCodec::new());
        let mut service = layer.layer(service_fn(|id: u64| async move {
            sleep(WORK).await;
            Ok::<_, ()>(id)
        }));
        let call = service.call(7);
        tokio::spawn(async move { (AssertUnwindSafe(call).catch_unwind().await.ok(), drop(service)).0 })
    });
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap());
    }
    assert_eq!(outcomes, [Some(Ok(7)), None], "it is the predicate's panic");
    let counted =
        fleets.map(|fleet| fleet.stats()).map(|FleetStats { led, followed, local, .. }| [led, followed, local]);
    assert_eq!(counted, [[1, 0, 0], [0, 1, 0]]);
    assert_eq!(*seen.lock().unwrap(), [FleetRole::Followed]);
}

struct Panics;

impl<T: Send + Sync + 'static> Codec<T> for Panics {
    fn encode(&self, _: &T) -> Option<bytes::Bytes> {
        panic!("the codec")
    }

    fn decode(&self, _: &[u8]) -> Option<T> {
        panic!("the codec")
    }
}

#[tokio::test(start_paused = true)]
async fn f5_a_codec_that_panics_fails_nobody_and_nobody_waits_twice() {
    let engine = MemoryEngine::new();
    let fleets = [(); 4].map(|()| (Fleet::new(engine.clone(), SECRET), Group::<u32, u32>::new()));
    let calls = fleets.each_ref().map(|(fleet, group)| {
        tokio::spawn(fleet.call(group, 7, Panics, || async {
            sleep(WORK).await;
            1
        }))
    });
    let asked = Instant::now();
    for call in calls {
        assert_eq!(call.await.unwrap().value, 1);
    }
    assert!(asked.elapsed() < 3 * WORK, "{:?}", asked.elapsed());
}

/// A value that cannot be cloned.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Fragile(u32);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        panic!("the clone")
    }
}

/// Nobody of its own process shares it, so that nobody would have cloned it without the fleet.
#[tokio::test(start_paused = true)]
async fn f5_a_value_that_panics_as_it_is_cloned_for_another_process_fails_nobody() {
    let engine = MemoryEngine::new();
    let fleets = [(); 2].map(|()| (Fleet::new(engine.clone(), SECRET), Group::<u32, Fragile>::new()));
    let calls = fleets.each_ref().map(|(fleet, group)| {
        tokio::spawn(fleet.call(group, 7, PostcardCodec::new(), || async {
            sleep(WORK).await;
            Fragile(1)
        }))
    });
    let asked = Instant::now();
    for call in calls {
        assert_eq!(call.await.unwrap().value, Fragile(1));
    }
    assert!(asked.elapsed() < 3 * WORK, "{:?}", asked.elapsed());
}

/// A key that cannot be encoded.
#[derive(Clone, Debug, Hash, PartialEq, Eq, Deserialize)]
struct Key;

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("the key")
    }
}

#[tokio::test(start_paused = true)]
async fn f5_a_key_whose_encoding_panics_runs_without_the_fleet() {
    let fleet = Fleet::new(MemoryEngine::new(), SECRET);
    let call = fleet.call(&Group::new(), Key, PostcardCodec::new(), || async { 1 });
    assert_eq!(call.await.value, 1);
}

/// Its work asks for the same key through another group: nobody else runs it, and it must not wait for itself.
#[tokio::test(start_paused = true)]
async fn work_that_asks_for_its_own_key_through_another_group_does_not_wait_for_itself() {
    let fleet = Fleet::new(MemoryEngine::new(), SECRET);
    let (outer, inner) = (Group::new(), Group::new());
    let own = fleet.clone();
    let asked = Instant::now();
    let call = fleet.call(&outer, 7, PostcardCodec::new(), move || async move {
        own.call(&inner, 7, PostcardCodec::new(), || async { 1 }).await.value + 1
    });
    assert_eq!(call.await.value, 2);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}
