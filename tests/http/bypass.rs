//! What goes alone with no configuration.

use http::Request;
use tower_singleflight::{HttpSingleflightLayer, Reason, Role};

use crate::origin::{RequestBody, bench, get, get_with, ok, request, role, text};

/// Sends both while the first is held, and returns how many calls the origin got.
async fn calls_of(first: Request<RequestBody>, second: Request<RequestBody>) -> usize {
    calls_through(HttpSingleflightLayer::new(), first, second).await
}

async fn calls_through(
    layer: HttpSingleflightLayer,
    first: Request<RequestBody>,
    second: Request<RequestBody>,
) -> usize {
    let mut bench = bench(layer);
    let calls = [bench.call(first), bench.call(second)];
    let count = bench.count().await;
    for _ in 0..count {
        bench.next().await.answer(ok(&[], "x"));
    }
    for call in calls {
        assert_eq!(text(call.await.unwrap()).await, "x");
    }
    assert!(bench.group.is_empty());
    count
}

#[tokio::test]
async fn t12_s01_only_get_and_head_coalesce() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "CONNECT", "BREW", "get"] {
        assert_eq!(calls_of(request(method, "/x", &[]), request(method, "/x", &[])).await, 2, "{method}");
    }
    for method in ["GET", "HEAD"] {
        assert_eq!(calls_of(request(method, "/x", &[]), request(method, "/x", &[])).await, 1, "{method}");
    }
}

#[tokio::test]
async fn requests_with_any_of_these_fields_go_alone() {
    for (name, value) in [
        ("authorization", "Bearer a"),      // S5, T13
        ("proxy-authorization", "Basic a"), // S5
        ("cookie", "id=1"),                 // S6, T14
        ("range", "bytes=0-9"),             // S11, T15
        ("if-range", "\"1\""),              // S11
        ("if-none-match", "\"1\""),         // S12, T16
        ("if-modified-since", "Mon, 23 Nov 2026 12:00:00 GMT"),
        ("if-match", "\"1\""), // S12, T17
        ("if-unmodified-since", "Mon, 23 Nov 2026 12:00:00 GMT"),
        ("cache-control", "no-store"), // S13, T18
        ("cache-control", "max-age=60, NO-STORE"),
        ("cache-control", "only-if-cached"), // S13
        ("upgrade", "websocket"),            // S14
        ("connection", "keep-alive, Upgrade"),
        ("expect", "100-continue"), // S14
    ] {
        let with = || get_with("/x", &[(name, value)]);
        assert_eq!(calls_of(with(), with()).await, 2, "{name} on both");
        assert_eq!(calls_of(get("/x"), with()).await, 2, "{name} on the second");
        assert_eq!(calls_of(with(), get("/x")).await, 2, "{name} on the first");
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
    assert_eq!(role(&call.await.unwrap()), Role::Alone(Reason::NoKey));
}

#[tokio::test]
async fn t18_s13_a_reload_joins_no_running_flight_but_others_join_the_one_it_leads() {
    for field in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
        assert_eq!(calls_of(get("/x"), get_with("/x", &[field])).await, 2, "{field:?} after");
        assert_eq!(calls_of(get_with("/x", &[field]), get("/x")).await, 1, "{field:?} before");
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
    assert_eq!(calls_through(layer(), get("/live/1"), get("/live/1")).await, 2);
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
}
