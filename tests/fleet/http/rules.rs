//! What is shared between processes, and what is judged again.

use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tower_singleflight::{
    HttpSingleflightLayer, Role,
    fleet::{FleetReason, FleetRole, MemoryEngine},
    http::Rule,
};

use super::{answered, ask, fleet, local, node, nodes};
use crate::origin::{OriginBody, RequestBody, coalesced, get, get_with, ok, request, status, text};

#[tokio::test(start_paused = true)]
async fn equal_requests_on_two_processes_are_one_call() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let first = ask(&mut a, get("/x")).await;
    let second = [ask(&mut b, get("/x")).await, ask(&mut b, get("/x")).await];
    a.next().await.answer(ok(&[("content-type", "text/plain"), ("etag", "\"1\"")], "rows"));
    let response = answered(first).await;
    assert_eq!((fleet(&response), coalesced(&response).role), (Some(FleetRole::Led), Role::Leader));
    assert_eq!(text(response).await, "rows");
    let mut roles = Vec::new();
    for task in second {
        let response = answered(task).await;
        assert_eq!(fleet(&response), Some(FleetRole::Followed));
        roles.push(coalesced(&response).role);
        assert_eq!((response.status().as_u16(), response.headers()["etag"].as_bytes()), (200, &b"\"1\""[..]));
        assert_eq!(text(response).await, "rows");
    }
    assert_eq!(roles, [Role::Leader, Role::Follower]);
    assert_eq!((a.count().await, b.count().await), (1, 0));
    assert!(a.group.is_empty() && b.group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_differently_does_not_meet() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let one = ask(&mut a, get("/x")).await;
    for other in [get("/y"), get("/x?y"), request("HEAD", "/x", &[]), get_with("/x", &[("accept", "text/html")])] {
        let other = ask(&mut b, other).await;
        b.next().await.answer(ok(&[], "other"));
        assert_eq!(fleet(&answered(other).await), Some(FleetRole::Led));
    }
    a.next().await.answer(ok(&[], "one"));
    assert_eq!(text(answered(one).await).await, "one");
}

/// Layers that were told otherwise what a key is made of, or what may be shared.
#[tokio::test(start_paused = true)]
async fn layers_that_were_told_otherwise_do_not_meet() {
    let engine = MemoryEngine::new();
    let mut one = node(&engine, HttpSingleflightLayer::new());
    let first = ask(&mut one, get("/x")).await;
    let new = HttpSingleflightLayer::new;
    for layer in [new().ignore_headers(["x-a"]), new().strip_set_cookie(), new().ignore_query(["utm"])] {
        let mut other = node(&engine, layer);
        let second = ask(&mut other, get("/x")).await;
        other.next().await.answer(ok(&[], "other"));
        assert_eq!(fleet(&answered(second).await), Some(FleetRole::Led));
    }
    one.next().await.answer(ok(&[], "one"));
    assert_eq!(text(answered(first).await).await, "one");
}

#[tokio::test(start_paused = true)]
async fn s7_s8_s10_what_is_the_leaders_stays_in_its_process_and_is_remembered() {
    let cases: [(u16, &[(&str, &str)]); 6] = [
        (200, &[("set-cookie", "sid=a")]),
        (200, &[("cache-control", "private")]),
        (200, &[("cache-control", "no-store")]),
        (200, &[("vary", "*")]),
        (206, &[]),
        (302, &[]),
    ];
    for (code, headers) in cases {
        let engine = MemoryEngine::new();
        let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
        let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
        a.next().await.answer(status(code, headers, "a's"));
        assert_eq!(text(answered(first).await).await, "a's");
        b.next().await.answer(status(code, headers, "b's"));
        let response = answered(second).await;
        assert_eq!(fleet(&response), local(FleetReason::NotShareable), "{code} {headers:?}");
        assert_eq!(text(response).await, "b's");
        // The next one does not wait for nothing.
        let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
        b.next().await.answer(status(code, headers, "b's"));
        assert_eq!(text(answered(second).await).await, "b's");
        a.next().await.answer(status(code, headers, "a's"));
        assert_eq!(text(answered(first).await).await, "a's");
    }
}

#[tokio::test(start_paused = true)]
async fn s9_s20_an_answer_that_varies_reaches_only_those_who_agree_with_the_leader() {
    let origin = |headers: &'static [(&str, &str)]| get_with("/x", headers);
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(Fields, Fields, Fields, bool); 4] = [
        (&[("vary", "user-agent")], &[("user-agent", "a")], &[("user-agent", "b")], false),
        (&[("vary", "user-agent")], &[("user-agent", "a")], &[("user-agent", "a")], true),
        (&[("vary", "referer, user-agent")], &[("user-agent", "a")], &[], false),
        (&[("vary", "accept")], &[("accept", "a")], &[("accept", "a")], true),
    ];
    for (headers, of_a, of_b, meet) in cases {
        let engine = MemoryEngine::new();
        let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
        let (first, second) = (ask(&mut a, origin(of_a)).await, ask(&mut b, origin(of_b)).await);
        a.next().await.answer(ok(headers, "a's"));
        assert_eq!(text(answered(first).await).await, "a's");
        if !meet {
            b.next().await.answer(ok(headers, "b's"));
        }
        let response = answered(second).await;
        let expected = if meet { Some(FleetRole::Followed) } else { local(FleetReason::NotShareable) };
        assert_eq!(fleet(&response), expected, "{headers:?}");
        assert_eq!(text(response).await, if meet { "a's" } else { "b's" });
    }
}

/// Those in the follower's process are judged by the requests that they have made.
#[tokio::test(start_paused = true)]
async fn s9_a_local_follower_of_an_answer_from_elsewhere_regroups_by_its_own_request() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let agent = |agent| get_with("/x", &[("user-agent", agent)]);
    let first = ask(&mut a, agent("one")).await;
    let (second, third) = (ask(&mut b, agent("one")).await, ask(&mut b, agent("two")).await);
    a.next().await.answer(ok(&[("vary", "user-agent")], "one's"));
    assert_eq!(text(answered(first).await).await, "one's");
    assert_eq!(text(answered(second).await).await, "one's");
    b.next().await.answer(ok(&[("vary", "user-agent")], "two's"));
    let response = answered(third).await;
    assert_eq!(fleet(&response), local(FleetReason::NotWanted));
    assert_eq!(text(response).await, "two's");
}

#[tokio::test(start_paused = true)]
async fn s17_s19_what_is_of_one_connection_does_not_leave_the_process() {
    let engine = MemoryEngine::new();
    let layer = || HttpSingleflightLayer::new().strip_set_cookie();
    let [mut a, mut b] = nodes(&engine, layer);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let mut response =
        ok(&[("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "5"), ("set-cookie", "sid=a")], "rows");
    response.extensions_mut().insert(7_u32);
    a.next().await.answer(response);
    let of_a = answered(first).await;
    assert!(of_a.extensions().get::<u32>().is_some() && of_a.headers().contains_key("set-cookie"));
    let of_b = answered(second).await;
    assert_eq!(fleet(&of_b), Some(FleetRole::Followed));
    assert!(of_b.extensions().get::<u32>().is_none());
    let names: Vec<_> = of_b.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, [""; 0], "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn s18_trailers_come_along() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let (frames, body) = OriginBody::streamed();
    a.next().await.answer(http::Response::new(body));
    frames.data("rows");
    let trailers: HeaderMap = [("x-sum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect();
    frames.trailers(trailers.clone());
    drop(frames);
    for task in [first, second] {
        let collected = answered(task).await.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "rows");
    }
}

/// Behind content, and announced by nobody.
#[tokio::test(start_paused = true)]
async fn s7_trailers_that_hand_out_a_session_reach_no_other_process() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    let roles = [Some(FleetRole::Led), local(FleetReason::NotShareable)];
    for ((node, task), role) in [(&mut a, first), (&mut b, second)].into_iter().zip(roles) {
        let (frames, body) = OriginBody::streamed();
        node.next().await.answer(http::Response::new(body));
        frames.data("rows");
        frames.trailers([("set-cookie".parse().unwrap(), "sid=1".parse().unwrap())].into_iter().collect());
        drop(frames);
        let response = answered(task).await;
        assert_eq!(fleet(&response), role);
        assert_eq!(response.into_body().collect().await.unwrap().trailers().unwrap()["set-cookie"], "sid=1");
    }
    assert!(a.group.is_empty() && b.group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn d4_a_failure_that_is_an_answer_is_everybodys_and_an_error_is_not() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    a.next().await.answer(status(503, &[], "overloaded"));
    for task in [first, second] {
        assert_eq!(text(answered(task).await).await, "overloaded");
    }
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    a.next().await.fail("refused");
    assert!(first.await.unwrap().is_err());
    b.next().await.answer(ok(&[], "rows"));
    let response = answered(second).await;
    assert_eq!(fleet(&response), local(FleetReason::NotShareable));
    assert_eq!(text(response).await, "rows");
    // It says nothing of the next call.
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    a.next().await.answer(ok(&[], "rows"));
    for task in [first, second] {
        assert_eq!(text(answered(task).await).await, "rows");
    }
}

#[tokio::test(start_paused = true)]
async fn s24_cache_status_says_of_an_answer_that_it_came_from_elsewhere() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, || HttpSingleflightLayer::new().cache_status("edge"));
    let first = ask(&mut a, get("/x")).await;
    let others = [ask(&mut b, get("/x")).await, ask(&mut b, get("/x")).await];
    a.next().await.answer(ok(&[], "rows"));
    assert_eq!(answered(first).await.headers()["cache-status"], "edge; fwd=uri-miss");
    for task in others {
        assert_eq!(answered(task).await.headers()["cache-status"], "edge; fwd=uri-miss; collapsed; detail=fleet");
    }
}

/// An answer that is due to the leader's own request: each process asks once more, with its own.
#[tokio::test(start_paused = true)]
async fn d9_a_second_try_is_made_once_and_what_it_brings_is_final() {
    let engine = MemoryEngine::new();
    let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
    let first = ask(&mut a, get("/x")).await;
    let others = [ask(&mut b, get("/x")).await, ask(&mut c, get("/x")).await];
    a.next().await.answer(status(429, &[], "a's"));
    assert_eq!(text(answered(first).await).await, "a's");
    b.settle().await;
    c.settle().await;
    // One of them leads, the other follows.
    let [of_b, of_c] = others;
    let (leader, follower, mut leads) = if b.count().await == 1 { (of_b, of_c, b) } else { (of_c, of_b, c) };
    leads.next().await.answer(ok(&[], "rows"));
    let response = answered(leader).await;
    assert_eq!(fleet(&response), Some(FleetRole::Led));
    assert_eq!(text(response).await, "rows");
    let response = answered(follower).await;
    assert_eq!(fleet(&response), Some(FleetRole::Followed));
    assert_eq!(text(response).await, "rows");
}

#[tokio::test(start_paused = true)]
async fn d9_a_second_answer_of_that_kind_is_the_end_of_it() {
    let engine = MemoryEngine::new();
    let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
    let first = ask(&mut a, get("/x")).await;
    let others = [ask(&mut b, get("/x")).await, ask(&mut c, get("/x")).await];
    a.next().await.answer(status(429, &[], "a's"));
    assert_eq!(text(answered(first).await).await, "a's");
    let is_b = b.count().await == 1;
    let (leads, follows) = if is_b { (&mut b, &mut c) } else { (&mut c, &mut b) };
    leads.next().await.answer(status(429, &[], "second"));
    follows.next().await.answer(status(429, &[], "third"));
    let mut texts = Vec::new();
    for task in others {
        texts.push(text(answered(task).await).await);
    }
    texts.sort();
    assert_eq!(texts, ["second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_client_leaves_hands_over_to_another_process() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let mut first = a.call(get("/x"));
    a.settle().await;
    assert!(first.is_woken() && first.poll().is_pending());
    let held = a.next().await;
    let second = ask(&mut b, get("/x")).await;
    drop(first);
    assert!(held.is_dropped());
    b.next().await.answer(ok(&[], "rows"));
    let response = answered(second).await;
    assert_eq!(fleet(&response), Some(FleetRole::Led));
    assert_eq!(text(response).await, "rows");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_panics_in_one_process_alone() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) = (ask(&mut a, get("/x")).await, ask(&mut b, get("/x")).await);
    a.next().await.panic();
    assert!(first.await.unwrap_err().is_panic());
    b.next().await.answer(ok(&[], "rows"));
    let response = answered(second).await;
    assert_eq!(fleet(&response), local(FleetReason::NotShareable));
    assert_eq!(text(response).await, "rows");
}

#[tokio::test(start_paused = true)]
async fn s13_s1_what_goes_alone_or_asks_for_the_next_answer_does_not_ask_the_fleet() {
    let engine = MemoryEngine::new();
    let mut node = node(&engine, HttpSingleflightLayer::new());
    let cases: [(Request<RequestBody>, Option<Rule>); 3] = [
        (request("POST", "/x", &[]), Some(Rule::S1Method)),
        (get_with("/x", &[("authorization", "Bearer a")]), Some(Rule::S5Authorization)),
        (get_with("/x", &[("cookie", "sid=a")]), Some(Rule::S6Cookie)),
    ];
    let before = engine.commands();
    for (request, rule) in cases {
        let is_write = request.method() == "POST";
        let task = ask(&mut node, request).await;
        node.next().await.answer(status(if is_write { 400 } else { 200 }, &[], "x"));
        let response = answered(task).await;
        assert_eq!((fleet(&response), coalesced(&response).rule), (None, rule));
    }
    let reload = ask(&mut node, get_with("/x", &[("cache-control", "no-cache")])).await;
    node.next().await.answer(ok(&[], "x"));
    assert_eq!(fleet(&answered(reload).await), local(FleetReason::NotWanted));
    assert_eq!(engine.commands(), before);
}

#[tokio::test(start_paused = true)]
async fn a_lone_request_costs_two_commands() {
    let engine = MemoryEngine::new();
    let mut node = node(&engine, HttpSingleflightLayer::new());
    for round in 1..=3 {
        let task = ask(&mut node, get("/x")).await;
        node.next().await.answer(ok(&[], "rows"));
        assert_eq!(text(answered(task).await).await, "rows");
        node.settle().await;
        assert_eq!(engine.commands(), 2 * round);
    }
    assert!(engine.is_empty());
}

#[tokio::test(start_paused = true)]
async fn fleet_if_keeps_flights_in_the_process() {
    let engine = MemoryEngine::new();
    let mut node = node(&engine, HttpSingleflightLayer::new().fleet_if(|parts| parts.uri.path() != "/x"));
    for (path, expected) in [("/x", local(FleetReason::NotWanted)), ("/y", Some(FleetRole::Led))] {
        let task = ask(&mut node, get(path)).await;
        node.next().await.answer(ok(&[], "rows"));
        assert_eq!(fleet(&answered(task).await), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_gone_fails_nobody() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    engine.fail();
    for node in [&mut a, &mut b] {
        let task = ask(node, get("/x")).await;
        node.next().await.answer(ok(&[], "rows"));
        let response = answered(task).await;
        assert_eq!(fleet(&response), local(FleetReason::Unavailable));
        assert_eq!(text(response).await, "rows");
    }
}

#[test]
#[should_panic(expected = "name")]
fn a_fleet_without_a_name_is_refused_at_once() {
    let fleet = tower_singleflight::fleet::Fleet::new(MemoryEngine::new(), [7; 32]);
    drop(HttpSingleflightLayer::new().fleet(fleet, ""));
}
