//! Clones of a layer that were told otherwise, in one group: a follower would have no answer that its own layer keeps.

use http::header;
use tokio::sync::mpsc;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{DryRun, HttpGroup, Rule, dry_run::Report},
};

use crate::origin::{Held, Origin, RequestBody, get, ok, text};

/// Sends one request by a layer, and one while that is under way by a clone that was told more. Returns how many calls there are
/// if the layer serves them, and what a dry run says.
async fn both(
    layer: HttpSingleflightLayer,
    more: fn(HttpSingleflightLayer) -> HttpSingleflightLayer,
    answer: fn(Held<RequestBody>),
) -> (usize, Report) {
    let dry = layer.clone().dry_run(DryRun::new());
    let mut calls = [0; 2];
    for (layer, calls) in [layer, dry.clone()].into_iter().zip(&mut calls) {
        let layer = layer.group(HttpGroup::new());
        let (sender, mut held) = mpsc::unbounded_channel();
        let origin = Origin::<RequestBody>::new(sender);
        let (mut one, mut other) = (layer.clone().layer(origin.clone()), more(layer).layer(origin));
        let tasks = [one.call(get("/x")), other.call(get("/x"))].map(tokio::spawn);
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        while !tasks.iter().all(|task| task.is_finished()) {
            if let Ok(held) = held.try_recv() {
                *calls += 1;
                answer(held);
            }
            tokio::task::yield_now().await;
        }
        for task in tasks {
            if let Ok(response) = task.await.unwrap() {
                assert_eq!(text(response).await, "rows");
            }
        }
    }
    assert_eq!(calls[1], 2, "a dry run lets both pass");
    (calls[0], dry.dry_run_report())
}

#[tokio::test]
async fn s07_what_the_followers_own_layer_keeps_is_not_saved() {
    let keeps = |layer: HttpSingleflightLayer| layer.keep_header(header::SERVER);
    let answer = |held: Held<RequestBody>| held.answer(ok(&[("server", "one")], "rows"));
    let (calls, report) = both(HttpSingleflightLayer::new(), keeps, answer).await;
    assert_eq!((calls, report.saved()), (2, 0));
    assert_eq!(report.routes()[0].alone(), [(Rule::S7Personal, 1)]);

    let plain = |held: Held<RequestBody>| held.answer(ok(&[], "rows"));
    let (calls, report) = both(HttpSingleflightLayer::new(), keeps, plain).await;
    assert_eq!((calls, report.saved()), (1, 1));
}

#[tokio::test]
async fn d4_nor_is_a_failure_that_the_followers_own_layer_does_not_share() {
    let strict = |layer: HttpSingleflightLayer| layer.share_server_errors(false);
    let (calls, report) = both(HttpSingleflightLayer::new(), strict, |held| held.fail("no luck")).await;
    assert_eq!((calls, report.saved()), (2, 0));
    assert_eq!(report.routes()[0].alone(), [(Rule::D4Failure, 1)]);
}
