//! S21 across processes: a write lets nobody join a flight from before it.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep};
use tower_singleflight::{
    HttpSingleflightLayer,
    fleet::{Fleet, FleetReason, FleetRole, MemoryEngine},
};

use super::{answered, ask, fleet, local, nodes};
use crate::origin::{bench, get, ok, request, status, text};

#[tokio::test(start_paused = true)]
async fn who_reads_after_a_write_never_has_what_was_read_before_it() {
    let engine = MemoryEngine::new();
    let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
    let before = ask(&mut a, get("http://h/x")).await;
    // It had joined before the write: that flight is as good for it as its own would have been.
    let joined = ask(&mut c, get("http://h/x?other")).await;
    let held = a.next().await;
    let write = ask(&mut b, request("POST", "http://h/x", &[])).await;
    b.next().await.answer(ok(&[], "written"));
    assert_eq!(text(answered(write).await).await, "written");
    let after = ask(&mut c, get("http://h/x")).await;
    let _ = c.next().await;
    let own = c.next().await;
    held.answer(ok(&[], "old"));
    assert_eq!(text(answered(before).await).await, "old");
    own.answer(ok(&[], "new"));
    let response = answered(after).await;
    assert_eq!(fleet(&response), Some(FleetRole::Led));
    assert_eq!(text(response).await, "new");
    drop(joined);
}

#[tokio::test(start_paused = true)]
async fn who_had_joined_before_the_write_has_the_flight_that_it_joined() {
    let engine = MemoryEngine::new();
    let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
    let (before, joined) = (ask(&mut a, get("http://h/x")).await, ask(&mut c, get("http://h/x")).await);
    let write = ask(&mut b, request("DELETE", "http://h/x", &[])).await;
    b.next().await.answer(status(204, &[], ""));
    answered(write).await;
    a.next().await.answer(ok(&[], "old"));
    for task in [before, joined] {
        assert_eq!(text(answered(task).await).await, "old");
    }
    assert_eq!(c.count().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_locates_is_fenced_on_all_processes() {
    for (field, location) in
        [("location", "/x"), ("content-location", "http://h/x"), ("location", "x"), ("location", "/%78")]
    {
        let engine = MemoryEngine::new();
        let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
        let before = ask(&mut a, get("http://h/x")).await;
        let write = ask(&mut b, request("POST", "http://h/", &[])).await;
        b.next().await.answer(status(201, &[(field, location)], ""));
        answered(write).await;
        let after = ask(&mut c, get("http://h/x")).await;
        c.next().await.answer(ok(&[], "new"));
        assert_eq!(text(answered(after).await).await, "new");
        a.next().await.answer(ok(&[], "old"));
        assert_eq!(text(answered(before).await).await, "old");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_refused_fences_nothing() {
    let engine = MemoryEngine::new();
    let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
    let before = ask(&mut a, get("http://h/x")).await;
    let write = ask(&mut b, request("POST", "http://h/x", &[])).await;
    let commands = engine.commands();
    b.next().await.answer(status(409, &[], ""));
    answered(write).await;
    assert_eq!(engine.commands(), commands);
    let after = ask(&mut c, get("http://h/x")).await;
    a.next().await.answer(ok(&[], "old"));
    for task in [before, after] {
        assert_eq!(text(answered(task).await).await, "old");
    }
}

/// The engine does not answer: the writer waits for its budget, and until the engine knows, the scope is its process's own.
#[tokio::test(start_paused = true)]
async fn a_write_that_the_engine_does_not_know_of_keeps_its_scope_in_the_process() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let before = ask(&mut a, get("http://h/x")).await;
    let held = a.next().await;
    engine.stop();
    let write = ask(&mut b, request("POST", "http://h/x", &[])).await;
    let asked = Instant::now();
    b.next().await.answer(ok(&[], "written"));
    assert_eq!(text(answered(write).await).await, "written");
    assert_eq!(asked.elapsed().as_millis(), 50);
    engine.resume();
    // The engine answers again, and does not know of the write: A's flight could be joined.
    let after = ask(&mut b, get("http://h/x")).await;
    b.next().await.answer(ok(&[], "new"));
    let response = answered(after).await;
    assert_eq!(fleet(&response), local(FleetReason::Unfenced));
    assert_eq!(text(response).await, "new");
    // Other paths are not concerned.
    let other = ask(&mut b, get("http://h/y")).await;
    b.next().await.answer(ok(&[], "y"));
    assert_eq!(fleet(&answered(other).await), Some(FleetRole::Led));
    // Told again, until it is acknowledged.
    for _ in 0..100 {
        advance(Duration::from_millis(500)).await;
        b.settle().await;
    }
    let after = ask(&mut b, get("http://h/x")).await;
    b.next().await.answer(ok(&[], "newer"));
    let response = answered(after).await;
    assert_eq!(fleet(&response), Some(FleetRole::Led));
    assert_eq!(text(response).await, "newer");
    held.answer(ok(&[], "old"));
    assert_eq!(text(answered(before).await).await, "old");
}

/// It asks for nothing that it could join, and so nobody finds out for it that the engine answers again.
#[tokio::test(start_paused = true)]
async fn a_process_that_only_writes_waits_for_the_engine_again_once_that_answers() {
    let engine = MemoryEngine::new();
    let fleet = Fleet::new(engine.clone(), [7; 32]);
    let mut node = bench(HttpSingleflightLayer::new().fleet(fleet.clone(), "pages"));
    let mut write = async || {
        let write = ask(&mut node, request("POST", "http://h/x", &[])).await;
        node.next().await.answer(ok(&[], "written"));
        let asked = Instant::now();
        answered(write).await;
        asked.elapsed().as_millis()
    };
    engine.stop();
    assert_eq!([write().await, write().await, write().await, write().await], [50, 50, 50, 0]);
    assert!(fleet.stats().skipping);
    // By then all flights from before have ended, and nobody tells the engine of those writes any more.
    sleep(Duration::from_secs(100)).await;
    engine.resume();
    engine.takes(Duration::from_millis(10));
    assert_eq!([write().await, write().await], [10, 10]);
    let stats = fleet.stats();
    assert_eq!((stats.skipping, stats.untold, stats.unfenced), (false, 0, 4));
}
