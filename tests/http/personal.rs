//! Answers for one (S7), fields of one exchange (S17), event streams (S29); what requests and responses are told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Version};
use http_body_util::{BodyExt, Full};
use tower::util::Either;
use tower::{Layer, Service, ServiceExt};
use tower_singleflight::{
    HttpSingleflightLayer, Reason, Role,
    http::{Coalesced, Heads, LargeBodies, Rule},
};

use crate::origin::{Bench, OriginBody, RequestBody, bench, get, get_with, ok, request, role, status, text};

type Plain = Bench<Heads, RequestBody>;

/// Lets so many requests meet one answer, given to each call; returns how many calls that took.
async fn calls(layer: HttpSingleflightLayer, requests: [Request<RequestBody>; 3], said: &[(&str, &str)]) -> usize {
    let mut bench: Plain = bench(layer);
    let tasks = requests.map(|request| bench.call(request)).map(|call| tokio::spawn(call.into_inner()));
    let mut answered = 0;
    while answered < bench.count().await {
        bench.next().await.answer(ok(said, "x"));
        answered += 1;
    }
    for task in tasks {
        assert_eq!(text(task.await.unwrap().unwrap()).await, "x");
    }
    assert!(bench.group.is_empty());
    answered
}

fn plain() -> [Request<RequestBody>; 3] {
    [get("/x"), get("/x"), get("/x")]
}

const PERSONAL: [&str; 13] = [
    "Set-Cookie",
    "Set-Cookie2",
    "Mcp-Session-Id",
    "X-CSRF-Token",
    "X-XSRF-Token",
    "CSRF-Token",
    "X-Auth-Token",
    "X-Session-Token",
    "X-Session-Id",
    "Replay-Nonce",
    "DPoP-Nonce",
    "Authentication-Info",
    "Proxy-Authentication-Info",
];

#[tokio::test]
async fn s07_a_session_a_token_or_a_nonce_is_its_leaders() {
    for name in PERSONAL {
        for value in ["v", ""] {
            let said = [("cache-control", "public, max-age=60"), (name, value)];
            assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &said).await, 3, "{name}");
        }
    }
    let kept = || HttpSingleflightLayer::new().keep_header(HeaderName::from_static("x-nonce"));
    assert_eq!(calls(kept(), plain(), &[("X-Nonce", "v")]).await, 3);
    assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &[("X-Nonce", "v")]).await, 1);
}

#[tokio::test]
async fn s17_followers_do_not_get_the_names_of_the_leaders_exchange() {
    let names = [
        "x-request-id",
        "request-id",
        "x-correlation-id",
        "x-trace-id",
        "traceparent",
        "traceresponse",
        "b3",
        "x-b3-traceid",
        "x-datadog-trace-id",
        "x-amzn-requestid",
        "x-amz-cf-id",
        "cf-ray",
        "fly-request-id",
        "x-vercel-id",
        "x-azure-ref",
        "x-github-request-id",
        "x-own-id",
    ];
    let mut bench: Plain = bench(HttpSingleflightLayer::new().drop_header(HeaderName::from_static("x-own-id")));
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    let said: Vec<_> = names.iter().map(|name| (*name, "1")).chain([("x-rows", "7")]).collect();
    bench.next().await.answer(ok(&said, "x"));
    for call in calls {
        let response = call.await.unwrap();
        assert_eq!(response.headers()["x-rows"], "7");
        for name in names {
            assert_eq!(response.headers().contains_key(name), role(&response) == Role::Leader, "{name}");
        }
    }
    assert!(bench.group.is_empty());
}

/// A layer above that copies the id of a request to its response finds no other there.
#[tokio::test]
async fn s17_a_layer_above_gives_each_follower_its_own_id() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let above = tower_http::request_id::PropagateRequestIdLayer::x_request_id().layer(bench.service.clone());
    let ids = ["1", "2", "3"];
    let tasks = ids.map(|id| {
        let call = above.clone().oneshot(get_with("/x", &[("x-request-id", id)]));
        tokio::spawn(call)
    });
    bench.settle().await;
    let held = bench.next().await;
    let leaders = held.request.headers()["x-request-id"].to_str().unwrap().to_owned();
    held.answer(ok(&[("x-request-id", &leaders)], "x"));
    for (task, id) in tasks.into_iter().zip(ids) {
        assert_eq!(task.await.unwrap().unwrap().headers()["x-request-id"], id);
    }
    assert_eq!(bench.count().await, 1);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn s29_an_event_stream_is_shared_if_it_says_that_it_is_for_all() {
    let past = ("expires", "Thu, 01 Jan 1970 00:00:00 GMT");
    let future = ("expires", "Fri, 31 Dec 2100 23:59:59 GMT");
    for (said, expected) in [
        (&[][..], 3),
        (&[("cache-control", "max-age=0")], 3),
        (&[("cache-control", "max-age=5")], 1),
        (&[("cache-control", "s-maxage=5")], 1),
        (&[("cache-control", "max-age=5, s-maxage=0")], 3),
        (&[("cache-control", "public")], 1),
        (&[past], 3),
        (&[future], 1),
        (&[("expires", "0")], 3),
    ] {
        for kind in ["text/event-stream", "Text/Event-Stream; charset=utf-8"] {
            let said: Vec<_> = said.iter().copied().chain([("content-type", kind)]).collect();
            assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &said).await, expected, "{said:?}");
            assert_eq!(calls(HttpSingleflightLayer::new().share_event_streams(), plain(), &said).await, 1, "{said:?}");
        }
    }
}

#[tokio::test]
async fn s06_named_cookies_are_left_out_and_others_send_their_request_alone() {
    let layer = || HttpSingleflightLayer::new().ignore_cookies_named(["_ga", "_gid"]);
    for (cookies, expected) in [
        (["_ga=1", "_ga=2", "_gid=3; _ga=4"], 1),
        (["_ga=1; sid=1", "_ga=1; sid=1", "_ga=1; sid=1"], 3),
        (["_GA=1", "_GA=1", "_GA=1"], 3),
        (["_ga", "_ga", "_ga"], 3),
    ] {
        let requests = cookies.map(|cookie| get_with("/x", &[("cookie", cookie)]));
        assert_eq!(calls(layer(), requests, &[]).await, expected, "{cookies:?}");
    }
}

#[tokio::test]
async fn s14_h2c_alone_asks_for_nothing_and_all_else_goes_alone() {
    for (fields, expected) in [
        (&[("upgrade", "h2c"), ("connection", "Upgrade, HTTP2-Settings"), ("http2-settings", "AAMAAABk")][..], 1),
        (&[("connection", "keep-alive, te")], 1),
        (&[("upgrade", "websocket"), ("connection", "upgrade")], 3),
        (&[("upgrade", "h2c, websocket"), ("connection", "upgrade")], 3),
        (&[("connection", "close, x-user")], 3),
        (&[("connection", "http2-settings")], 3),
        (&[("expect", "100-continue")], 3),
    ] {
        let requests = [(); 3].map(|()| get_with("/x", fields));
        assert_eq!(calls(HttpSingleflightLayer::new(), requests, &[]).await, expected, "{fields:?}");
    }
}

/// S13: a reload shares no flight from before it; who comes later shares that of the reload.
#[tokio::test]
async fn s13_a_reload_shares_no_flight_from_before_it() {
    for reload in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let before = bench.call(get("/x"));
        let reload = bench.call(get_with("/x", &[reload]));
        assert_eq!(bench.count().await, 2);
        for _ in 0..2 {
            bench.next().await.answer(ok(&[], "x"));
        }
        before.await.unwrap();
        let rule = reload.await.unwrap().extensions().get::<Coalesced>().unwrap().rule;
        assert_eq!(rule, Some(Rule::S13Reload));
        assert!(bench.group.is_empty());
    }
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

/// The middle way: what the function calls equal shares, and all rules on answers hold.
#[tokio::test]
async fn a_key_function_says_who_is_equal_and_the_answer_with_whom_it_is_shared() {
    let layer =
        || HttpSingleflightLayer::new().key_fn(|parts| parts.uri.path().strip_prefix("/keyed").map(str::to_owned));
    let keyed = || {
        [
            get_with("/keyed?a", &[("x-user", "ann"), ("referer", "a")]),
            get_with("/keyed?b", &[("x-user", "bob"), ("referer", "b")]),
            get_with("/keyed", &[("referer", "b")]),
        ]
    };
    for (said, expected) in [
        (&[][..], 1),
        (&[("cache-control", "private")], 3),
        (&[("set-cookie", "id=1")], 3),
        (&[("vary", "referer")], 2),
        (&[("vary", "x-user")], 3),
        (&[("vary", "*")], 3),
    ] {
        assert_eq!(calls(layer(), keyed(), said).await, expected, "{said:?}");
    }
    let mut bench: Plain = bench(layer());
    let held = [bench.call(get("/keyed")), bench.call(request("HEAD", "/keyed", &[])), bench.call(get("/other"))];
    assert_eq!(bench.count().await, 3, "HEAD and GET apart, and no key is no key");
    for _ in 0..3 {
        bench.next().await.answer(ok(&[], ""));
    }
    let mut rules = Vec::new();
    for call in held {
        rules.push(call.await.unwrap().extensions().get::<Coalesced>().unwrap().rule);
    }
    assert_eq!(rules, [None, None, Some(Rule::S3NoKey)]);
    assert!(bench.group.is_empty());
}

/// A switch in a configuration: one type either way, with content in the key and without.
#[tokio::test]
async fn a_switch_in_a_configuration_type_checks() {
    for (on, expected) in [(true, 1), (false, 3)] {
        assert_eq!(calls(HttpSingleflightLayer::new().coalesce_if(move |_| on), plain(), &[]).await, expected);
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let rows = move || {
            counted.fetch_add(1, SeqCst);
            async {
                tokio::task::yield_now().await;
                "rows"
            }
        };
        let app = axum::Router::new().route("/x", axum::routing::post(rows.clone()).get(rows));
        let layer = if on {
            Either::Left(HttpSingleflightLayer::new().methods([Method::POST]).content_key(64))
        } else {
            Either::Right(HttpSingleflightLayer::new())
        };
        let service = layer.layer(app);
        let post = || Request::post("/x").body(axum::body::Body::from("q")).unwrap();
        for answer in futures_util::future::join_all((0..3).map(|_| service.clone().oneshot(post()))).await {
            assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "rows");
        }
        assert_eq!(runs.load(SeqCst), expected);
    }
}

#[tokio::test]
async fn s30_a_caller_of_http_1_0_gets_no_answer_of_unknown_length() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let mut old = get("/x");
    *old.version_mut() = Version::HTTP_10;
    let calls = [bench.call(get("/x")), bench.call(old)];
    let (frames, body) = OriginBody::streamed();
    let mut tasks: Vec<_> = calls.map(|call| tokio::spawn(call.into_inner())).into();
    bench.next().await.answer(http::Response::new(body));
    bench.next().await.answer(status(200, &[], "own"));
    let old = tasks.pop().unwrap().await.unwrap().unwrap();
    assert_eq!(old.extensions().get::<Coalesced>().unwrap().rule, Some(Rule::S30Http10));
    assert_eq!(text(old).await, "own");
    drop((frames, tasks));
}

const LARGE: usize = 3_800_000;

/// As `axum::Json` of a handler is: one frame, there at once.
#[tokio::test]
async fn a_large_body_that_is_there_at_once_is_shared() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..20).map(|_| bench.call(get("/x"))).collect();
    bench.next().await.answer(http::Response::new(OriginBody::full(vec![b'x'; LARGE])));
    for call in calls {
        assert_eq!(text(call.await.unwrap()).await.len(), LARGE);
    }
    assert_eq!(bench.count().await, 1);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn a_large_stream_that_was_announced_is_released_at_its_head() {
    for (large, expected) in [(LargeBodies::Alone, 3), (LargeBodies::Stream, 1)] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new().large_bodies(large));
        let calls: Vec<_> = (0..3).map(|_| bench.call(get("/x"))).collect();
        let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
        let (frames, body) = OriginBody::streamed();
        let length = LARGE.to_string();
        let head = http::Response::builder().header("content-length", &length);
        frames.data("the first of several");
        bench.next().await.answer(head.body(body).unwrap());
        assert_eq!(bench.count().await, expected);
        for _ in 1..expected {
            bench.next().await.answer(ok(&[], "own"));
        }
        let mut rules = Vec::new();
        for task in tasks {
            rules.push(task.await.unwrap().unwrap().extensions().get::<Coalesced>().unwrap().rule);
        }
        assert_eq!(rules, if expected == 3 { vec![Some(Rule::LargeBody); 3] } else { vec![None; 3] });
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn a_request_with_content_that_is_not_in_the_key_goes_alone() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let mut call = tokio_test::task::spawn(
        bench.service.call(Request::get("/x").body(Full::new(Bytes::from_static(b"q"))).unwrap()),
    );
    assert!(call.poll().is_pending());
    bench.next().await.answer(ok(&[], "x"));
    let response = call.await.unwrap();
    assert_eq!(response.extensions().get::<Coalesced>().unwrap().rule, Some(Rule::S15Content));
}
