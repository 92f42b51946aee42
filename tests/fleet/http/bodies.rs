//! Bodies go to other processes as a whole, or not at all.

use http_body_util::BodyExt;
use tower_singleflight::{
    HttpSingleflightLayer,
    fleet::{FleetReason, FleetRole, FleetSettings, MemoryEngine},
};

use super::{answered, ask, fleet, local, node_with, nodes};
use crate::origin::{OriginBody, get, ok, text};

#[tokio::test(start_paused = true)]
async fn s16_a_body_that_breaks_off_never_looks_whole_elsewhere() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let (frames, body) = OriginBody::streamed();
    a.next().await.answer(http::Response::new(body));
    let response = answered(first).await;
    frames.data("half of");
    frames.fail("cut");
    assert!(response.into_body().collect().await.is_err());
    // It takes over, with its own request (S23).
    b.next().await.answer(ok(&[], "all of it"));
    let response = answered(second).await;
    assert_eq!(fleet(&response), Some(FleetRole::Led));
    assert_eq!(text(response).await, "all of it");
}

#[tokio::test(start_paused = true)]
async fn s16_a_body_that_is_shorter_than_announced_never_looks_whole_elsewhere() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let (frames, body) = OriginBody::streamed();
    let response = http::Response::builder().header("content-length", "20").body(body).unwrap();
    a.next().await.answer(response);
    frames.data("half of");
    drop(frames);
    assert!(answered(first).await.into_body().collect().await.is_err());
    b.next().await.answer(ok(&[], "all of it"));
    assert_eq!(text(answered(second).await).await, "all of it");
}

#[tokio::test(start_paused = true)]
async fn the_clients_here_may_leave_while_somebody_elsewhere_waits_for_the_body() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let (frames, body) = OriginBody::streamed();
    a.next().await.answer(http::Response::new(body));
    let response = answered(first).await;
    frames.data("one ");
    a.settle().await;
    drop(response);
    a.settle().await;
    assert!(!frames.is_dropped());
    frames.data("two");
    drop(frames);
    let response = answered(second).await;
    assert_eq!(fleet(&response), Some(FleetRole::Followed));
    assert_eq!(text(response).await, "one two");
    assert_eq!(b.count().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_dropped_with_its_clients_if_nobody_elsewhere_waits() {
    let engine = MemoryEngine::new();
    let [mut a] = nodes(&engine, HttpSingleflightLayer::new);
    let first = ask(&mut a, get("/x")).await;
    let (frames, body) = OriginBody::streamed();
    a.next().await.answer(http::Response::new(body));
    let response = answered(first).await;
    frames.data("one ");
    a.settle().await;
    drop(response);
    a.settle().await;
    assert!(frames.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_a_message_reaches_this_process_alone() {
    let engine = MemoryEngine::new();
    let settings = || FleetSettings::new().max_message(8);
    let [mut a, mut b] = [(); 2].map(|()| node_with(&engine, HttpSingleflightLayer::new(), settings()));
    for announced in [true, false] {
        let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
        let body = if announced {
            OriginBody::full("nine byte")
        } else {
            let (frames, body) = OriginBody::streamed();
            frames.data("nine ");
            frames.data("byte");
            body
        };
        a.next().await.answer(http::Response::new(body));
        assert_eq!(text(answered(first).await).await, "nine byte");
        b.next().await.answer(ok(&[], "own"));
        let response = answered(second).await;
        assert_eq!(fleet(&response), local(FleetReason::TooLarge));
        assert_eq!(text(response).await, "own");
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn s29_nobody_elsewhere_waits_for_the_end_of_an_event_stream() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, || HttpSingleflightLayer::new().share_event_streams());
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let (frames, body) = OriginBody::streamed();
    let events = http::Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    a.next().await.answer(events.body(body).unwrap());
    let response = answered(first).await;
    b.next().await.answer(ok(&[], "own"));
    let other = answered(second).await;
    assert_eq!(fleet(&other), local(FleetReason::TooLarge));
    assert_eq!(text(other).await, "own");
    drop((frames, response));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_cut_for_the_fleet_and_holds_it_up_for_nobody() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, || HttpSingleflightLayer::new().window(100));
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let (frames, body) = OriginBody::streamed();
    a.next().await.answer(http::Response::new(body));
    let slow = answered(first).await;
    for _ in 0..4 {
        frames.data("0123456789");
    }
    drop(frames);
    // The window is full: the fleet gives up at once.
    b.next().await.answer(ok(&[], "own"));
    let response = answered(second).await;
    assert_eq!(fleet(&response), local(FleetReason::TooLarge));
    assert_eq!(text(slow).await.len(), 40);
}
