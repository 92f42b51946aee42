//! Figures by route, of requests on an axum router.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing::get,
};
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::runtime::Builder;
use tower::ServiceExt;
use tower_singleflight::{HttpSingleflightLayer, metrics::Metered};

#[test]
fn requests_are_counted_by_route_role_and_rule_and_never_by_path() {
    let recorder = DebuggingRecorder::new();
    let figures = recorder.snapshotter();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let run = async {
        let page = || async {
            tokio::task::yield_now().await;
            "rows"
        };
        let layer = HttpSingleflightLayer::new().observe(Metered::new("public").per_route());
        let app: Router = Router::new().route("/report/{id}", get(page)).route("/user/{id}", get(page)).layer(layer);
        let ask = |request: axum::http::request::Builder| app.clone().oneshot(request.body(Body::empty()).unwrap());
        let (a, b, c) = tokio::join!(
            ask(Request::get("/report/7")),
            ask(Request::get("/report/7")),
            ask(Request::get("/user/7").header("cookie", "session=1")),
        );
        for answer in [a, b, c] {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
    };
    with_local_recorder(&recorder, || runtime.block_on(run));
    let counted: Vec<_> = figures
        .snapshot()
        .into_vec()
        .into_iter()
        .filter_map(|(key, _, _, value)| match value {
            DebugValue::Counter(count) if count > 0 && key.key().name() == "singleflight.calls" => {
                let labels = key.key().labels().map(|label| format!("{}={} ", label.key(), label.value()));
                Some(format!("{}{count}", labels.collect::<String>()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(counted.len(), 3, "{counted:?}");
    for expected in [
        "group=public route=/report/{id} role=leader 1",
        "group=public route=/report/{id} role=follower 1",
        "group=public route=/user/{id} role=alone why=S6Cookie 1",
    ] {
        assert!(counted.iter().any(|counted| counted == expected), "{expected} in {counted:?}");
    }
}

#[test]
fn a_follower_that_leads_after_all_is_released_and_no_call_saved() {
    let recorder = DebuggingRecorder::new();
    let figures = recorder.snapshotter();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let run = async {
        let page = || async {
            tokio::task::yield_now().await;
            ([("vary", "referer")], "rows")
        };
        let layer = HttpSingleflightLayer::new().observe(Metered::new("public"));
        let group = layer.get_group().clone();
        let app: Router = Router::new().route("/report", get(page)).layer(layer);
        let ask = |referer| {
            let request = Request::get("/report").header("referer", referer).body(Body::empty()).unwrap();
            app.clone().oneshot(request)
        };
        tokio::join!(ask("a"), ask("b"), ask("b")).0.unwrap();
        group.stats()
    };
    let stats = with_local_recorder(&recorder, || runtime.block_on(run));
    let figures = figures.snapshot().into_vec();
    let sum = |name: &str| -> u64 {
        let counts = figures.iter().filter(|(key, ..)| key.key().name() == name);
        counts.map(|(.., value)| if let DebugValue::Counter(count) = value { *count } else { 0 }).sum()
    };
    assert_eq!((stats.followed, stats.released, stats.saved()), (2, 1, 1));
    assert_eq!((sum("singleflight.calls"), sum("singleflight.released")), (3, 1));
}

/// A layer tells a thousand labels apart, but an observer may have several layers.
#[test]
fn of_all_layers_together_a_thousand_routes_are_told_apart_and_the_others_are_one() {
    let recorder = DebuggingRecorder::new();
    let figures = recorder.snapshotter();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let run = async {
        let metered = Arc::new(Metered::new("public").per_route());
        for (of, routes) in [("a", 600), ("b", 500)] {
            let layer = HttpSingleflightLayer::new()
                .label(move |parts| Some(format!("{of}{}", parts.uri.path()).into()))
                .observe(Arc::clone(&metered));
            let app: Router = Router::new().fallback(|| async { "rows" }).layer(layer);
            for _ in 0..2 {
                for number in 0..routes {
                    let request = Request::get(format!("/{number}")).body(Body::empty()).unwrap();
                    assert_eq!(app.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
                }
            }
        }
    };
    with_local_recorder(&recorder, || runtime.block_on(run));
    let mut counted = BTreeMap::<String, u64>::new();
    for (key, _, _, value) in figures.snapshot().into_vec() {
        let route = key.key().labels().find(|label| label.key() == "route");
        if let (Some(route), DebugValue::Counter(count)) = (route, value) {
            *counted.entry(route.value().to_owned()).or_default() += count;
        }
    }
    assert_eq!((counted.len(), counted.remove("other")), (1_001, Some(200)));
    assert!(counted.values().all(|calls| *calls == 2), "{counted:?}");
    assert!(counted.contains_key("a/599") && counted.contains_key("b/399") && !counted.contains_key("b/400"));
}
