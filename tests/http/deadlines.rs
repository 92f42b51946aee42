//! Time that is the caller's own (S28).

use std::time::Duration;

use tokio::time::advance;
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    herd::{herd, texts},
    origin::{Plain, bench, get, get_with, ok, status},
};

/// Every spelling of section 1a, group 4.
const DEADLINES: [(&str, &str); 8] = [
    ("grpc-timeout", "1m"),
    ("connect-timeout-ms", "1"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-upstream-rq-per-try-timeout-ms", "1"),
    ("x-envoy-expected-rq-timeout-ms", "1"),
    ("request-timeout", "1"),
    ("x-request-timeout", "1"),
    ("x-request-deadline", "1"),
];

#[tokio::test(start_paused = true)]
async fn s28_what_a_leaders_deadline_does_reaches_nobody_else() {
    for deadline in DEADLINES {
        for code in [408, 499, 504] {
            let mut bench: Plain = bench(HttpSingleflightLayer::new());
            let hasty = tokio::spawn(bench.call(get_with("/x", &[deadline])).into_inner());
            let held = bench.next().await;
            advance(Duration::from_secs(8)).await;
            // They have waited too little to share a failure, and would not share this one anyway.
            let herd = herd(&mut bench, 20);
            advance(Duration::from_secs(1)).await;
            held.answer(status(code, &[("cache-control", "max-age=1")], "too late"));
            assert_eq!(bench.count().await, 2, "{deadline:?} {code}");
            bench.next().await.answer(ok(&[], "rows"));
            assert_eq!(hasty.await.unwrap().unwrap().status(), code);
            assert_eq!(texts(herd).await, vec!["rows"; 20]);
            assert!(bench.group.is_empty());
        }
    }
}

/// Who has waited for long goes alone instead of trying again, and still does not get it.
#[tokio::test]
async fn s28_who_has_waited_from_the_start_does_not_get_it_either() {
    for deadline in DEADLINES {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let hasty = tokio::spawn(bench.call(get_with("/x", &[deadline])).into_inner());
        let herd = herd(&mut bench, 3);
        bench.next().await.answer(status(504, &[], "too late"));
        while bench.count().await > 1 && !bench.held.is_empty() {
            bench.next().await.answer(ok(&[], "rows"));
        }
        assert_eq!(hasty.await.unwrap().unwrap().status(), 504);
        assert_eq!(texts(herd).await, vec!["rows"; 3], "{deadline:?}");
        // Its other answers are everybody's.
        let hasty = tokio::spawn(bench.call(get_with("/x", &[deadline])).into_inner());
        let patient = tokio::spawn(bench.call(get("/x")).into_inner());
        let before = bench.count().await;
        bench.next().await.answer(ok(&[], "rows"));
        assert_eq!(texts(vec![hasty, patient]).await, ["rows", "rows"]);
        assert_eq!(bench.count().await, before);
        assert!(bench.group.is_empty());
    }
}
