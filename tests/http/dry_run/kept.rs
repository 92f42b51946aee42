//! Writes, large bodies and limits keep as many from sharing in a dry run as in the layer.

use std::time::Duration;

use http::{Request, Response};
use tower_singleflight::{HttpSingleflightLayer, Limits, http::DryRun};

use super::saved::{herd, saved, saved_in};
use crate::origin::{OriginBody, Plain, RequestBody, bench, get, ok, request};

#[tokio::test]
async fn s21_a_write_lets_nobody_join_what_was_there_before() {
    let mut real: Plain = bench(HttpSingleflightLayer::new());
    let mut dry: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new()));
    for bench in [&mut real, &mut dry] {
        let read = |bench: &mut Plain| tokio::spawn(bench.call(get("/x")).into_inner());
        let before = [read(bench), read(bench)];
        bench.settle().await;
        let mut write = bench.call(request("PUT", "/x", &[]));
        let mut held = Vec::new();
        while held.len() < bench.count().await {
            held.push(bench.next().await);
        }
        held.pop().unwrap().answer(ok(&[], "written"));
        bench.settle().await;
        assert!(write.poll().is_ready());
        let after = [read(bench), read(bench)];
        bench.settle().await;
        held.into_iter().for_each(|held| held.answer(ok(&[], "before")));
        for _ in 0..2 {
            bench.settle().await;
            while let Ok(held) = bench.held.try_recv() {
                held.answer(ok(&[], "after"));
            }
        }
        for task in before.into_iter().chain(after) {
            crate::origin::text(task.await.unwrap().unwrap()).await;
        }
    }
    // The second two share a flight of their own, in both.
    let report = dry.layer.dry_run_report();
    assert_eq!((report.saved(), report.routes()[0].led(), report.routes()[0].different()), (2, 2, 0));
}

#[tokio::test]
async fn large_bodies_are_shared_where_they_are_there_as_a_whole() {
    let large = || Box::leak("x".repeat(2 << 20).into_boxed_str());
    let whole = |_: &Request<RequestBody>| Some(ok(&[], large()));
    assert_eq!(saved(HttpSingleflightLayer::new(), &|| herd(4), &whole).await, 3);
    let streamed = |_: &Request<RequestBody>| {
        let (frames, body) = OriginBody::streamed();
        (0..4).for_each(|_| frames.data("x"));
        Some(Response::builder().header("content-length", "4000000").body(body).unwrap())
    };
    assert_eq!(saved(HttpSingleflightLayer::new(), &|| herd(4), &streamed).await, 0);
}

#[tokio::test(start_paused = true)]
async fn limits_are_kept() {
    let rows = |_: &Request<RequestBody>| Some(ok(&[], "rows"));
    let layer = HttpSingleflightLayer::new;
    let few = Limits::new().max_followers(2);
    assert_eq!(saved_in(layer(), few, &[&|| herd(6)], &rows).await, [2]);
    let none = Limits::new().max_flights(0);
    assert_eq!(saved_in(layer(), none, &[&|| herd(6)], &rows).await, [0]);
    let late = || {
        let two = || (0..2).map(|_| get("/x")).collect();
        vec![(two(), Duration::from_secs(6)), (two(), Duration::ZERO)]
    };
    let window = Limits::new().join_window(Duration::from_secs(5));
    assert_eq!(saved_in(layer(), window, &[&late], &rows).await, [2]);
}
