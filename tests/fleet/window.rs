//! A group's join window, where its flight waits for another process: it counts from the beginning there.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tower_singleflight::{
    Group, Limits, Outcome,
    fleet::{Fleet, FleetSettings, MemoryEngine, PostcardCodec},
};

use crate::process::SECRET;

const WINDOW: Duration = ms(100);

const fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// A process whose flights take no joiners when they are older than the window.
fn node(engine: &MemoryEngine, settings: FleetSettings) -> (Group<u32, u32>, Fleet) {
    let group = Group::with_limits(Limits::new().join_window(WINDOW));
    (group, Fleet::with_settings(engine.clone(), SECRET, settings).unwrap())
}

fn call((group, fleet): &(Group<u32, u32>, Fleet), work: Duration, value: u32) -> JoinHandle<Outcome<u32>> {
    let work = move || async move {
        sleep(work).await;
        value
    };
    tokio::spawn(fleet.call(group, 7, PostcardCodec::new(), work))
}

async fn values<const N: usize>(calls: [JoinHandle<Outcome<u32>>; N]) -> [u32; N] {
    let mut values = [0; N];
    for (value, call) in values.iter_mut().zip(calls) {
        *value = call.await.unwrap().value;
    }
    values
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_flight_that_waits_for_another_process_has_nothing_older_than_the_window() {
    for takes in [0, 3] {
        let engine = MemoryEngine::new();
        let nodes = [(); 2].map(|()| node(&engine, FleetSettings::new()));
        let start = Instant::now();
        let at = |time| sleep_until(start + ms(time));
        let elsewhere = call(&nodes[0], ms(400), 1);
        engine.takes(ms(takes));
        at(60).await;
        let waits = call(&nodes[1], ms(400), 2);
        at(90).await;
        let joins = call(&nodes[1], ms(400), 3);
        // The local flight is 70 ms old, and what it waits for 130.
        at(130).await;
        let late = call(&nodes[1], ms(400), 4);
        assert_eq!(values([elsewhere, waits, joins, late]).await, [1, 1, 1, 4], "replies take {takes} ms");
        assert!(nodes.iter().all(|(group, _)| group.is_empty()));
    }
}

/// It leads in the end, and its own work is young.
#[tokio::test(start_paused = true)]
async fn a_flight_that_takes_over_is_as_old_as_itself() {
    let engine = MemoryEngine::new();
    let nodes = [(); 2].map(|()| node(&engine, FleetSettings::new()));
    let start = Instant::now();
    let at = |time| sleep_until(start + ms(time));
    let leaves = call(&nodes[0], ms(400), 1);
    at(60).await;
    let waits = call(&nodes[1], ms(400), 2);
    at(80).await;
    leaves.abort();
    at(130).await;
    let joins = call(&nodes[1], ms(400), 3);
    at(190).await;
    let late = call(&nodes[1], ms(400), 4);
    assert_eq!(values([waits, joins, late]).await, [2, 2, 4]);
}

/// It goes on waiting for the flight that it knows, and joins that again each time that its lease is over.
#[tokio::test(start_paused = true)]
async fn a_flight_that_is_joined_again_is_as_old_as_it_was() {
    let engine = MemoryEngine::without_news();
    let settings = FleetSettings::new().lease(ms(60)).budget(ms(20));
    let nodes = [(); 2].map(|()| node(&engine, settings.clone()));
    let start = Instant::now();
    let at = |time| sleep_until(start + ms(time));
    let elsewhere = call(&nodes[0], ms(400), 1);
    at(60).await;
    let waits = call(&nodes[1], ms(400), 2);
    at(155).await;
    let late = call(&nodes[1], ms(10), 3);
    assert_eq!(values([elsewhere, waits, late]).await, [1, 1, 3]);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn the_window_of_a_group_of_http_counts_from_there_too() {
    use tower_singleflight::{HttpSingleflightLayer, http::HttpGroup};

    use crate::{
        http::{answered, ask},
        origin::{Plain, bench_in, get, ok, text},
    };

    let engine = MemoryEngine::new();
    let mut nodes = [(); 2].map(|()| -> Plain {
        let layer = HttpSingleflightLayer::new().fleet(Fleet::new(engine.clone(), SECRET), "pages");
        bench_in(layer, HttpGroup::with_limits(Limits::new().join_window(WINDOW)))
    });
    let start = Instant::now();
    let at = |time| sleep_until(start + ms(time));
    let mut calls = vec![ask(&mut nodes[0], get("http://h/x")).await];
    at(60).await;
    calls.push(ask(&mut nodes[1], get("http://h/x")).await);
    at(90).await;
    calls.push(ask(&mut nodes[1], get("http://h/x")).await);
    at(130).await;
    calls.push(ask(&mut nodes[1], get("http://h/x")).await);
    nodes[0].next().await.answer(ok(&[], "old"));
    nodes[1].next().await.answer(ok(&[], "new"));
    let mut texts = Vec::new();
    for call in calls {
        texts.push(text(answered(call).await).await);
    }
    assert_eq!(texts, ["old", "old", "old", "new"]);
}
