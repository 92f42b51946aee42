//! `Cache-Status`, on request.

use tower_singleflight::HttpSingleflightLayer;

use crate::origin::{bench, get, ok, request, role};

#[tokio::test]
async fn t60_s24_cache_status_says_what_became_of_each_request_and_comes_last() {
    let mut bench = bench(HttpSingleflightLayer::new().cache_status("here"));
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    bench.next().await.answer(ok(&[("cache-status", "origin; hit")], "x"));
    for call in calls {
        let response = call.await.unwrap();
        let members: Vec<_> = response.headers().get_all("cache-status").iter().map(|v| v.to_str().unwrap()).collect();
        let own = match role(&response) {
            tower_singleflight::Role::Follower => "here; fwd=uri-miss; collapsed",
            _ => "here; fwd=uri-miss",
        };
        assert_eq!(members, ["origin; hit", own]);
    }
}

#[tokio::test]
async fn t60_released_and_bypassing_requests_say_so_too() {
    let mut bench = bench(HttpSingleflightLayer::new().cache_status("here"));
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    let tasks = calls.map(|call| tokio::spawn(async { call.await.unwrap() }));
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    let mut members = Vec::new();
    for task in tasks {
        members.push(task.await.unwrap().headers()["cache-status"].to_str().unwrap().to_owned());
    }
    assert_eq!(members, ["here; fwd=uri-miss", "here; fwd=uri-miss; collapsed=?0; detail=S8CacheControl"]);

    for (request, expected) in [
        (request("POST", "/x", &[]), "here; fwd=method; detail=S1Method"),
        (request("GET", "/x", &[("cookie", "a=1")]), "here; fwd=bypass; detail=S6Cookie"),
    ] {
        let call = bench.call(request);
        bench.next().await.answer(ok(&[], "x"));
        assert_eq!(call.await.unwrap().headers()["cache-status"], expected);
    }
}

/// RFC 9211, section 2.6: it was not collapsed with the flight that it waited for.
#[tokio::test]
async fn t60_who_regroups_and_leads_says_so() {
    let mut bench = bench(HttpSingleflightLayer::new().cache_status("here"));
    let lines = ["a", "b"].map(|value| bench.call(request("GET", "/x", &[("referer", value)])));
    let tasks = lines.map(|call| tokio::spawn(async { call.await.unwrap() }));
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("vary", "referer")], "x"));
    }
    let mut members = Vec::new();
    for task in tasks {
        members.push(task.await.unwrap().headers()["cache-status"].to_str().unwrap().to_owned());
    }
    assert_eq!(members, ["here; fwd=uri-miss", "here; fwd=uri-miss; collapsed=?0"]);
}

#[tokio::test]
async fn cache_status_is_off_by_default() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let call = bench.call(get("/x"));
    bench.next().await.answer(ok(&[], "x"));
    assert!(!call.await.unwrap().headers().contains_key("cache-status"));
}
