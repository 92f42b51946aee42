//! `Cache-Status`, on request.

use std::sync::{Arc, Mutex};

use tower_singleflight::{
    HttpSingleflightLayer, Reason, Role,
    http::{Coalesced, Rule},
};

use crate::origin::{Plain, bench, get, get_with, ok, request, role};

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

#[tokio::test]
async fn every_kind_of_answer_says_what_became_of_its_request() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let layer = HttpSingleflightLayer::new().inspect(move |role, callers| heard.lock().unwrap().push((role, callers)));
    let mut bench: Plain = bench(layer.cache_status("here"));
    let alone = |reason| Role::Alone(reason);
    for (request, rule, said) in [
        (request("PUT", "/x", &[]), Rule::S1Method, "here; fwd=method; detail=S1Method"),
        (get_with("/x", &[("range", "bytes=0-9")]), Rule::S11Range, "here; fwd=bypass; detail=S11Range"),
        (get_with("/x", &[("if-match", "a")]), Rule::S12Condition, "here; fwd=bypass; detail=S12Condition"),
        (get_with("/x", &[("cookie", "a=1")]), Rule::S6Cookie, "here; fwd=bypass; detail=S6Cookie"),
        (
            get_with("/x", &[("authorization", "Bearer a")]),
            Rule::S5Authorization,
            "here; fwd=bypass; detail=S5Authorization",
        ),
    ] {
        let call = bench.call(request);
        bench.next().await.answer(ok(&[], "x"));
        let response = call.await.unwrap();
        let coalesced = *response.extensions().get::<Coalesced>().unwrap();
        assert_eq!((coalesced.role, coalesced.rule), (alone(Reason::NoKey), Some(rule)));
        assert_eq!(response.headers()["cache-status"], said);
        assert_eq!(told.lock().unwrap().pop(), Some((alone(Reason::NoKey), 1)));
    }
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    bench.next().await.answer(ok(&[], "x"));
    for (call, role) in calls.into_iter().zip([Role::Leader, Role::Follower]) {
        let response = call.await.unwrap();
        let coalesced = *response.extensions().get::<Coalesced>().unwrap();
        assert_eq!((coalesced.role, coalesced.rule), (role, None));
    }
    assert_eq!(*told.lock().unwrap(), [(Role::Leader, 2), (Role::Follower, 2)]);
    // Errors are told too.
    let call = bench.call(get("/x"));
    bench.next().await.fail("down");
    call.await.unwrap_err();
    assert_eq!(told.lock().unwrap().len(), 3);
    assert!(bench.group.is_empty());
}
