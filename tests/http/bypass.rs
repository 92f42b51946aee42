//! What goes alone with no configuration.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::Full;
use tower::Service;
use tower_singleflight::{
    HttpSingleflightLayer, Reason, Role,
    http::{Coalesced, Rule},
};

use crate::{
    herd::calls,
    origin::{OriginBody, Plain, RequestBody, bench, coalesced, get, get_with, ok, request, status, text},
};

/// Sends both while the first is held; returns how many calls the origin got, and what became of each.
async fn pair(
    layer: HttpSingleflightLayer,
    first: Request<RequestBody>,
    second: Request<RequestBody>,
) -> (usize, [Coalesced; 2]) {
    let mut bench = bench(layer);
    let calls = [bench.call(first), bench.call(second)];
    let count = bench.count().await;
    for _ in 0..count {
        bench.next().await.answer(ok(&[], "x"));
    }
    let mut became = Vec::new();
    for call in calls {
        let response = call.await.unwrap();
        became.push(coalesced(&response));
        assert_eq!(text(response).await, "x");
    }
    assert!(bench.group.is_empty());
    (count, [became[0], became[1]])
}

async fn calls_of(first: Request<RequestBody>, second: Request<RequestBody>) -> usize {
    pair(HttpSingleflightLayer::new(), first, second).await.0
}

async fn calls_through(
    layer: HttpSingleflightLayer,
    first: Request<RequestBody>,
    second: Request<RequestBody>,
) -> usize {
    pair(layer, first, second).await.0
}

/// What became of a request that a rule sent alone.
fn alone(rule: Rule) -> (Role, Option<Rule>) {
    (Role::Alone(Reason::NoKey), Some(rule))
}

fn said(coalesced: Coalesced) -> (Role, Option<Rule>) {
    (coalesced.role, coalesced.rule)
}

#[tokio::test]
async fn t12_s01_only_get_and_head_coalesce() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "CONNECT", "BREW", "get"] {
        let (count, became) =
            pair(HttpSingleflightLayer::new(), request(method, "/x", &[]), request(method, "/x", &[])).await;
        assert_eq!((count, became.map(said)), (2, [alone(Rule::S1Method); 2]), "{method}");
    }
    for method in ["GET", "HEAD"] {
        let (count, became) =
            pair(HttpSingleflightLayer::new(), request(method, "/x", &[]), request(method, "/x", &[])).await;
        assert_eq!((count, became.map(said)), (1, [(Role::Leader, None), (Role::Follower, None)]), "{method}");
    }
}

#[tokio::test]
async fn requests_with_any_of_these_fields_go_alone_and_say_by_which_rule() {
    for (name, value, rule) in [
        ("authorization", "Bearer a", Rule::S5Authorization), // T13
        ("proxy-authorization", "Basic a", Rule::S5Authorization),
        ("cookie", "id=1", Rule::S6Cookie),     // T14
        ("range", "bytes=0-9", Rule::S11Range), // T15
        ("if-range", "\"1\"", Rule::S11Range),
        ("if-none-match", "\"1\"", Rule::S12Condition), // T16
        ("if-modified-since", "Mon, 23 Nov 2026 12:00:00 GMT", Rule::S12Condition),
        ("if-match", "\"1\"", Rule::S12Condition), // T17
        ("if-unmodified-since", "Mon, 23 Nov 2026 12:00:00 GMT", Rule::S12Condition),
        ("cache-control", "no-store", Rule::S13CacheControl), // T18
        ("cache-control", "max-age=60, NO-STORE", Rule::S13CacheControl),
        ("cache-control", "only-if-cached", Rule::S13CacheControl),
        ("cache-control", "a b", Rule::S13CacheControl),
        ("upgrade", "websocket", Rule::S14Connection),
        ("connection", "keep-alive, x-tenant", Rule::S14Connection),
        ("connection", "authorization", Rule::S14Connection),
        ("expect", "100-continue", Rule::S14Connection),
        ("content-length", "1", Rule::S15Content),
        ("transfer-encoding", "chunked", Rule::S15Content),
        ("host", "a b", Rule::S2Target),
        ("host", "", Rule::S2Target),
        ("x-any", "\u{e9}", Rule::S27Field),
        ("user-agent", "\u{e9}", Rule::S27Field),
        ("forwarded", "host", Rule::S27Field),
        ("x-http-method-override", "DELETE", Rule::S30MethodOverride),
        ("x_method_override", "PATCH", Rule::S30MethodOverride),
        ("x-any", &"x".repeat(9 << 10), Rule::S26KeyLength),
    ] {
        let with = || get_with("/x", &[(name, value)]);
        let layer = HttpSingleflightLayer::new;
        let (count, became) = pair(layer(), with(), with()).await;
        assert_eq!((count, became.map(said)), (2, [alone(rule); 2]), "{name} on both");
        let (count, became) = pair(layer(), get("/x"), with()).await;
        assert_eq!((count, became.map(said)), (2, [(Role::Leader, None), alone(rule)]), "{name} on the second");
        let (count, became) = pair(layer(), with(), get("/x")).await;
        assert_eq!((count, became.map(said)), (2, [alone(rule), (Role::Leader, None)]), "{name} on the first");
    }
}

#[tokio::test]
async fn s14_what_concerns_this_hop_alone_does_not_keep_requests_apart() {
    for fields in [
        &[("connection", "keep-alive, Upgrade")][..],
        &[("connection", "close")],
        &[("connection", "TE"), ("te", "trailers")],
        &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")],
    ] {
        assert_eq!(calls_of(get("/x"), get_with("/x", fields)).await, 1, "{fields:?}");
        assert_eq!(calls_of(get_with("/x", fields), get("/x")).await, 1, "{fields:?}");
    }
}

#[tokio::test]
async fn t17_what_goes_alone_is_forwarded_untouched() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let call = bench.call(get_with("/x", &[("if-match", "\"1\""), ("range", "bytes=0-9")]));
    let held = bench.next().await;
    assert_eq!(held.request.headers()["if-match"], "\"1\"");
    assert_eq!(held.request.headers()["range"], "bytes=0-9");
    held.answer(ok(&[], "x"));
    assert_eq!(said(coalesced(&call.await.unwrap())), alone(Rule::S12Condition));
}

#[tokio::test]
async fn t18_s13_a_reload_joins_no_running_flight_but_others_join_the_one_it_leads() {
    for field in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
        let layer = HttpSingleflightLayer::new().reload_alone();
        let (count, became) = pair(layer, get("/x"), get_with("/x", &[field])).await;
        assert_eq!(count, 2, "{field:?} after");
        assert_eq!(said(became[1]), (Role::Alone(Reason::MayNotJoin), Some(Rule::S13Reload)), "{field:?}");
        assert_eq!(calls_of(get_with("/x", &[field]), get("/x")).await, 1, "{field:?} before");
    }
}

/// The kind: every directive but `no-cache`, `no-store`, `only-if-cached` and a `max-age` of 0.
#[tokio::test]
async fn s13_directives_that_no_rule_settles_keep_requests_apart() {
    for (name, value) in [
        ("cache-control", "no-transform"),
        ("cache-control", "No-Transform"),
        ("cache-control", "max-age=60"),
        ("cache-control", "max-age=\"60\""),
        ("cache-control", "max-stale"),
        ("cache-control", "max-stale=5"),
        ("cache-control", "min-fresh=5"),
        ("cache-control", "stale-if-error=5"),
        ("cache-control", "tenant=a"),
        ("cache-control", "tenant=\"a, b\""),
        ("cache-control", "no-transform, max-age=60"),
        ("pragma", "akamai-x-cache-on"),
    ] {
        let with = || get_with("/x", &[(name, value)]);
        assert_eq!(calls_of(with(), with()).await, 1, "{name}: {value}");
        assert_eq!(calls_of(with(), get("/x")).await, 2, "{name}: {value}");
        assert_eq!(calls_of(get("/x"), with()).await, 2, "{name}: {value}");
        let other = get_with("/x", &[(name, &format!("{value}, other"))]);
        assert_eq!(calls_of(with(), other).await, 2, "{name}: {value}");
        let ignored = HttpSingleflightLayer::new().ignore_headers([name]);
        assert_eq!(calls_through(ignored, with(), get("/x")).await, 1, "{name}: {value}");
    }
    // What a rule settles, and what says nothing, is no part of the key.
    for value in ["", " , ", "no-cache", "max-age=0", "max-age=x, no-cache"] {
        assert_eq!(calls_of(get_with("/x", &[("cache-control", value)]), get("/x")).await, 1, "{value}");
    }
}

/// What looks like a directive there is none.
#[tokio::test]
async fn s13_what_stands_in_a_quoted_string_counts_whole() {
    for name in ["cache-control", "pragma"] {
        let with = |value| get_with("/x", &[(name, value)]);
        for value in ["tenant=\"a, no-cache, b\"", "tenant=\"a,, b\"", "tenant=\"a \\\", no-store, b\""] {
            assert_eq!(calls_of(with(value), with(value)).await, 1, "{name}: {value}");
            assert_eq!(calls_of(with(value), with("tenant=\"a, b\"")).await, 2, "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn t13_per_credential_one_users_duplicates_coalesce_and_two_users_never_do() {
    for name in ["authorization", "proxy-authorization", "cookie"] {
        let with = |value| get_with("/x", &[(name, value)]);
        let layer = || HttpSingleflightLayer::new().per_credential();
        assert_eq!(calls_through(layer(), with("alice"), with("alice")).await, 1, "{name}");
        assert_eq!(calls_through(layer(), with("alice"), with("bob")).await, 2, "{name}");
        assert_eq!(calls_through(layer(), with("alice"), get("/x")).await, 2, "{name}");
    }
}

#[tokio::test]
async fn coalesce_if_is_the_off_switch() {
    let layer = || HttpSingleflightLayer::new().coalesce_if(|parts| !parts.uri.path().starts_with("/live"));
    let (count, became) = pair(layer(), get("/live/1"), get("/live/1")).await;
    assert_eq!((count, became.map(said)), (2, [alone(Rule::Unwanted); 2]));
    assert_eq!(calls_through(layer(), get("/x"), get("/x")).await, 1);
}

#[tokio::test]
async fn chosen_cookies_count_and_ignored_ones_do_not() {
    let with = |value| get_with("/x", &[("cookie", value)]);
    let keyed = || HttpSingleflightLayer::new().key_cookies(["sid"]);
    assert_eq!(calls_through(keyed(), with("sid=1; theme=a"), with("theme=b; sid=1")).await, 1);
    assert_eq!(calls_through(keyed(), with("sid=1"), with("sid=2")).await, 2);
    assert_eq!(calls_through(keyed(), with("sid=1"), get("/x")).await, 2);
    let ignored = || HttpSingleflightLayer::new().ignore_cookies();
    assert_eq!(calls_through(ignored(), with("a=1"), get("/x")).await, 1);
    let named = || HttpSingleflightLayer::new().ignore_cookies_named(["_ga", "_gid"]);
    assert_eq!(calls_through(named(), with("_ga=1; _gid=2"), get("/x")).await, 1);
    let (count, became) = pair(named(), with("_ga=1; sid=1"), get("/x")).await;
    assert_eq!((count, said(became[0])), (2, alone(Rule::S6Cookie)));
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
        let mut bench: Plain = bench(HttpSingleflightLayer::new().reload_alone());
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
