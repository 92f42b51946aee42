//! The second try (D9), time that is the caller's own (S28), shared failures (D4) and the release limit (D10).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use tokio::{task::JoinHandle, time::advance};
use tower_singleflight::{
    HttpSingleflightLayer, Limits, Reason, Role, SharedBody,
    http::{Coalesced, ContentBody, Contents, Heads, HttpGroup, Rule},
};

use crate::origin::{
    Answer, Bench, Fault, OriginBody, RequestBody, bench, bench_in, get, get_with, ok, role, status, text,
};

type Plain = Bench<Heads, RequestBody>;
type Task = JoinHandle<Answer>;

/// Sends so many plain requests, each polled by a task of its own.
fn herd(bench: &mut Plain, callers: usize) -> Vec<Task> {
    let calls: Vec<_> = (0..callers).map(|_| bench.call(get("/x"))).collect();
    calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect()
}

async fn texts(tasks: Vec<Task>) -> Vec<String> {
    let mut texts = Vec::new();
    for task in tasks {
        texts.push(text(task.await.unwrap().unwrap()).await);
    }
    texts
}

fn rule(response: &Response<SharedBody<OriginBody>>) -> Option<Rule> {
    response.extensions().get::<Coalesced>().unwrap().rule
}

const AGAIN: [u16; 17] = [400, 401, 403, 407, 408, 411, 412, 413, 414, 415, 416, 417, 421, 425, 428, 429, 431];

/// The kind: an answer that may be due to the leader's own request.
#[tokio::test]
async fn d9_one_odd_request_neither_decides_for_a_herd_nor_sets_it_loose() {
    for code in AGAIN {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let odd = tokio::spawn(bench.call(get_with("/x", &[("referer", "odd")])).into_inner());
        let herd = herd(&mut bench, 100);
        bench.next().await.answer(status(code, &[], "odd"));
        assert_eq!(bench.count().await, 2, "{code}");
        bench.next().await.answer(ok(&[], "rows"));
        assert_eq!(odd.await.unwrap().unwrap().status(), code);
        assert_eq!(texts(herd).await, vec!["rows"; 100]);
        assert_eq!(bench.count().await, 2, "{code}");
        assert!(bench.group.is_empty());
    }
}

/// Other answers of the kind of 404 are about what all have asked for.
#[tokio::test]
async fn d9_what_all_have_asked_for_is_not_asked_for_twice() {
    for code in [200, 204, 301, 404, 405, 410] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 10);
        bench.next().await.answer(status(code, &[], "x"));
        assert_eq!(texts(herd).await.len(), 10);
        assert_eq!(bench.count().await, 1, "{code}");
    }
}

#[tokio::test]
async fn d9_the_second_try_is_the_last() {
    // 403 is never shared (S10); 400 with a lifetime is (S10), and 414 is heuristically cacheable.
    for (code, fields, calls) in
        [(403, &[][..], 5), (429, &[], 5), (400, &[("cache-control", "max-age=5")], 2), (414, &[], 2)]
    {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 5);
        let mut answered = 0;
        while answered < bench.count().await {
            assert!(answered < 6, "bounded");
            bench.next().await.answer(status(code, fields, "no"));
            answered += 1;
        }
        assert_eq!(answered, calls, "{code}");
        assert_eq!(texts(herd).await, vec!["no"; 5]);
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn d9_what_is_the_leaders_by_its_own_word_is_nobodys_second_chance() {
    for (fields, expected) in [
        (&[("set-cookie", "id=1")][..], Rule::S7Personal),
        (&[("x-csrf-token", "n")], Rule::S7Personal),
        (&[("cache-control", "private")], Rule::S8CacheControl),
        (&[("vary", "*")], Rule::S9Vary),
    ] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 4);
        bench.next().await.answer(status(403, fields, "odd"));
        // All at once, and not one of them first.
        assert_eq!(bench.count().await, 4, "{fields:?}");
        for _ in 0..3 {
            bench.next().await.answer(ok(&[], "rows"));
        }
        let mut rules = Vec::new();
        for task in herd {
            rules.push(rule(&task.await.unwrap().unwrap()));
        }
        assert!(rules.iter().all(|rule| *rule == Some(expected)), "{fields:?}: {rules:?}");
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn d9_who_does_not_match_the_vary_of_a_refusal_is_released_at_once() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let calls = ["a", "a", "b", "c"].map(|value| bench.call(get_with("/x", &[("referer", value)])));
    let tasks: Vec<Task> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
    bench.next().await.answer(status(403, &[("vary", "referer")], "odd"));
    // One tries among its like; two go by themselves.
    assert_eq!(bench.count().await, 4);
    for _ in 0..3 {
        bench.next().await.answer(ok(&[], "rows"));
    }
    assert_eq!(texts(tasks).await, ["odd", "rows", "rows", "rows"]);
    assert!(bench.group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn d9_d4_who_came_late_to_a_failure_asks_again_and_who_waited_shares_it() {
    // `None` is an error of the service.
    for failure in [Some(500), Some(502), Some(503), Some(504), Some(499), None] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let mut early = herd(&mut bench, 3);
        let held = bench.next().await;
        advance(Duration::from_secs(6)).await;
        let late = herd(&mut bench, 3);
        advance(Duration::from_secs(4)).await;
        match failure {
            Some(code) => held.answer(status(code, &[("cache-control", "max-age=1")], "down")),
            None => held.fail("down"),
        }
        assert_eq!(bench.count().await, 2, "{failure:?}");
        bench.next().await.answer(ok(&[], "up"));
        assert_eq!(texts(late).await, vec!["up"; 3]);
        for task in early.drain(..) {
            match (task.await.unwrap(), failure) {
                (Ok(response), Some(code)) => assert_eq!(response.status(), code),
                (Err(error), None) => assert_eq!(error, Fault("down")),
                (other, _) => panic!("{failure:?}: {other:?}"),
            }
        }
        assert_eq!(bench.count().await, 2);
        assert!(bench.group.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn d4_told_not_to_share_failures_followers_go_alone_with_no_second_try() {
    for failure in [Some(503), None] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new().share_server_errors(false));
        let mut herd = herd(&mut bench, 4);
        let held = bench.next().await;
        advance(Duration::from_secs(1)).await;
        match failure {
            Some(code) => held.answer(status(code, &[], "down")),
            None => held.fail("down"),
        }
        assert_eq!(bench.count().await, 4);
        for _ in 0..3 {
            bench.next().await.answer(ok(&[], "up"));
        }
        drop(herd.remove(0));
        for task in herd {
            let response = task.await.unwrap().unwrap();
            assert_eq!((role(&response), rule(&response)), (Role::Alone(Reason::NotShareable), Some(Rule::D4Failure)));
        }
        assert!(bench.group.is_empty());
    }
}

/// The kind: error pages commonly say so, and nothing is stored.
#[tokio::test]
async fn d4_error_pages_that_are_not_to_be_stored_are_shared_with_those_who_waited() {
    for (said, calls) in [("no-store", 1), ("no-cache", 1), ("no-cache, no-store, must-revalidate", 1), ("private", 3)]
    {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 3);
        bench.next().await.answer(status(503, &[("cache-control", said)], "down"));
        assert_eq!(bench.count().await, calls, "{said}");
        for _ in 1..calls {
            bench.next().await.answer(status(503, &[("cache-control", said)], "down"));
        }
        assert_eq!(texts(herd).await, vec!["down"; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn d9_a_followers_limit_runs_on_through_both_tries() {
    let limits = Limits::new().max_wait(Duration::from_secs(10));
    let mut bench: Plain = bench_in(HttpSingleflightLayer::new(), HttpGroup::with_limits(limits));
    let tasks = herd(&mut bench, 3);
    let first = bench.next().await;
    advance(Duration::from_secs(6)).await;
    first.answer(status(403, &[], "odd"));
    let second = bench.next().await;
    advance(Duration::from_secs(3)).await;
    assert_eq!(bench.count().await, 2);
    advance(Duration::from_secs(2)).await;
    // Of the two, one leads.
    bench.next().await.answer(ok(&[], "own"));
    second.answer(ok(&[], "rows"));
    assert_eq!(texts(tasks).await, ["odd", "rows", "own"]);
    assert_eq!(bench.count().await, 3);
    assert!(bench.group.is_empty());
}

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

fn grpc(fields: &[(&str, &str)]) -> Request<RequestBody> {
    let builder = Request::post("http://a/pkg.Service/Get").header("content-type", "application/grpc");
    let builder = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Full::new(Bytes::from_static(b"m"))).unwrap()
}

fn in_trailers(code: &'static str, message: Option<&'static str>) -> Response<OriginBody> {
    let (frames, body) = OriginBody::streamed();
    message.into_iter().for_each(|message| frames.data(message));
    frames.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]));
    Response::new(body)
}

#[tokio::test(start_paused = true)]
async fn s28_grpc_statuses_of_a_deadline_in_the_head_or_behind_it_reach_nobody_else() {
    for code in ["1", "4", "8"] {
        for trailing in [false, true] {
            let mut bench: Bench<Contents, ContentBody<RequestBody>> =
                bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
            let hasty = bench.call(grpc(&[("grpc-timeout", "9S")]));
            let held = bench.next().await;
            advance(Duration::from_secs(8)).await;
            let patient = [(); 5].map(|()| bench.call(grpc(&[])));
            let tasks: Vec<Task> =
                [hasty].into_iter().chain(patient).map(|call| tokio::spawn(call.into_inner())).collect();
            advance(Duration::from_secs(1)).await;
            held.answer(if trailing { in_trailers(code, None) } else { ok(&[("grpc-status", code)], "") });
            assert_eq!(bench.count().await, 2, "{code}, in the trailers: {trailing}");
            bench.next().await.answer(in_trailers("0", Some("rows")));
            let mut texts = texts(tasks).await;
            assert_eq!(texts.remove(0), "");
            assert_eq!(texts, vec!["rows"; 5], "{code}, in the trailers: {trailing}");
            assert!(bench.group.is_empty());
        }
    }
}

#[tokio::test]
async fn s28_a_unary_grpc_call_lands_at_its_first_message_or_its_trailers() {
    for message in [true, false] {
        let mut bench: Bench<Contents, ContentBody<RequestBody>> =
            bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let mut leader = bench.call(grpc(&[]));
        let (frames, body) = OriginBody::streamed();
        bench.next().await.answer(Response::new(body));
        bench.settle().await;
        assert!(leader.poll().is_pending());
        // The head is there, and the flight can be joined still.
        let follower = bench.call(grpc(&[]));
        assert_eq!(bench.count().await, 1);
        if message {
            frames.data("rows");
        }
        frames.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "5".parse().unwrap())]));
        drop(frames);
        for call in [leader, follower] {
            let collected = http_body_util::BodyExt::collect(call.await.unwrap().into_body()).await.unwrap();
            assert_eq!(collected.trailers().unwrap()["grpc-status"], "5");
            assert_eq!(collected.to_bytes(), if message { "rows" } else { "" });
        }
        assert_eq!(bench.count().await, 1);
        assert!(bench.group.is_empty());
    }
}

/// 51 clients whose origin takes longer than they wait: those of the limit, and the leader.
#[tokio::test(start_paused = true)]
async fn d10_the_release_limit_holds_for_those_who_have_waited_too_long() {
    let limits = Limits::new().max_wait(Duration::from_millis(200));
    let layer = HttpSingleflightLayer::new().release_limit(4);
    let mut bench: Plain = bench_in(layer, HttpGroup::with_limits(limits));
    let tasks = herd(&mut bench, 51);
    assert_eq!(bench.count().await, 1);
    advance(Duration::from_millis(199)).await;
    assert_eq!(bench.count().await, 1);
    advance(Duration::from_millis(2)).await;
    assert_eq!(bench.count().await, 5);
    advance(Duration::from_millis(190)).await;
    assert_eq!(bench.count().await, 5);
    // At most that long once more, then it goes.
    advance(Duration::from_millis(20)).await;
    assert_eq!(bench.count().await, 51);
    while !bench.held.is_empty() {
        bench.next().await.answer(ok(&[], "rows"));
    }
    assert_eq!(texts(tasks).await, vec!["rows"; 51]);
    assert!(bench.group.is_empty());
}

/// They overlap, or come one after the other.
#[tokio::test]
async fn d3_two_odd_answers_with_a_cookie_do_not_set_the_next_herd_loose() {
    for overlap in [true, false] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let cookie = || ok(&[("set-cookie", "id=1")], "odd");
        let mut odd = herd(&mut bench, if overlap { 2 } else { 1 });
        bench.next().await.answer(cookie());
        if !overlap {
            texts(odd).await;
            odd = herd(&mut bench, 1);
        }
        bench.next().await.answer(cookie());
        texts(odd).await;
        let herd = herd(&mut bench, 100);
        assert_eq!(bench.count().await, 3);
        bench.next().await.answer(ok(&[], "rows"));
        assert_eq!(texts(herd).await, vec!["rows"; 100]);
        assert_eq!(bench.count().await, 3);
        assert!(bench.group.is_empty());
    }
}

/// That takes two: then it is the page's way, and the next burst does not wait.
#[tokio::test]
async fn d3_s07_two_released_callers_with_a_cookie_each_are_evidence() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let first = herd(&mut bench, 3);
    for _ in 0..3 {
        bench.next().await.answer(ok(&[("set-cookie", "id=1")], "x"));
    }
    texts(first).await;
    let second = herd(&mut bench, 3);
    assert_eq!(bench.count().await, 6);
    second.into_iter().for_each(|task| task.abort());
}
