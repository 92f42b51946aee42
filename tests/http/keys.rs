//! What tells requests apart.

use http::{HeaderName, Request, Version};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{Coalesced, Rule},
};

use crate::{
    herd::calls,
    origin::{Plain, RequestBody, bench, get, get_with, ok, request},
};

/// Returns whether the second of two requests shares the flight of the first.
async fn shares(layer: HttpSingleflightLayer, first: Request<RequestBody>, second: Request<RequestBody>) -> bool {
    let mut bench: Plain = bench(layer);
    let first = bench.call(first);
    let second = bench.call(second);
    let calls = bench.count().await;
    for _ in 0..calls {
        bench.next().await.answer(ok(&[], "x"));
    }
    first.await.unwrap();
    second.await.unwrap();
    assert!(bench.group.is_empty());
    calls == 1
}

#[tokio::test]
async fn t03_s02_s04_method_scheme_authority_path_and_query_tell_apart() {
    for (first, second) in [
        (get("/x"), request("HEAD", "/x", &[])),
        (get("http://a/x"), get("https://a/x")),
        (get("http://a/x"), get("http://b/x")),
        (get("/x"), get("/X")),
        (get("/x?a=1&b=2"), get("/x?b=2&a=1")),
        (get("/x"), get("/x?")),
        (get("/x"), get("/x/")),
        (get("/%61"), get("/a")),
    ] {
        assert!(!shares(HttpSingleflightLayer::new(), first, second).await);
    }
}

#[tokio::test]
async fn t04_the_authority_comes_from_the_uri_or_else_from_host() {
    let layer = HttpSingleflightLayer::new;
    assert!(!shares(layer(), get_with("/x", &[("host", "a")]), get_with("/x", &[("host", "b")])).await);
    assert!(shares(layer(), get_with("/x", &[("host", "a")]), get_with("/x", &[("host", "a")])).await);
    let mut h2 = get("http://a/x");
    *h2.version_mut() = Version::HTTP_2;
    assert!(shares(layer(), get_with("http://a/x", &[("host", "a")]), h2).await);
    // Both there, and they disagree: alone.
    let torn = || get_with("http://a/x", &[("host", "b")]);
    assert!(!shares(layer(), torn(), torn()).await);
    let twice = || get_with("/x", &[("host", "a"), ("host", "a")]);
    assert!(!shares(layer(), twice(), twice()).await);
}

#[tokio::test]
async fn s27_what_handlers_forget_in_vary_is_always_in_the_key() {
    for name in ["accept", "accept-encoding", "accept-language", "origin", "sec-fetch-mode", "x-any"] {
        let with = |value| get_with("/x", &[(name, value)]);
        assert!(!shares(HttpSingleflightLayer::new(), with("a"), with("b")).await, "{name}");
        assert!(!shares(HttpSingleflightLayer::new(), with("a"), get("/x")).await, "{name}");
        assert!(shares(HttpSingleflightLayer::new(), with("a"), with("a")).await, "{name}");
    }
    let other = |value| get_with("/x", &[("user-agent", value)]);
    assert!(shares(HttpSingleflightLayer::new(), other("a"), other("b")).await);
}

#[tokio::test]
async fn chosen_headers_count_and_ignored_parameters_do_not() {
    let layer = || HttpSingleflightLayer::new().key_header(HeaderName::from_static("x-real-ip"));
    let with = |value| get_with("/x", &[("x-real-ip", value)]);
    assert!(shares(HttpSingleflightLayer::new(), with("a"), with("b")).await);
    assert!(!shares(layer(), with("a"), with("b")).await);
    assert!(shares(layer(), with("a"), with("a")).await);
    let layer = || HttpSingleflightLayer::new().ignore_headers(["x-own-*", "X-Any"]);
    assert!(shares(layer(), get_with("/x", &[("x-own-trace", "1"), ("x-any", "1")]), get("/x")).await);
    assert!(!shares(layer(), get_with("/x", &[("x-own", "1")]), get("/x")).await);
    let layer = || HttpSingleflightLayer::new().ignore_query(["utm_source", "fbclid"]);
    assert!(shares(layer(), get("/x?a=1&utm_source=m"), get("/x?fbclid=7&a=1")).await);
    assert!(!shares(layer(), get("/x?a=1&utm_source=m"), get("/x?a=2&utm_source=m")).await);
}

#[tokio::test]
async fn t07_s25_an_identity_is_a_part_of_the_key_and_none_goes_alone() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Tenant(u32);
    let of = |tenant: Option<u32>| {
        let mut request = get("/x");
        request.extensions_mut().extend(
            tenant
                .map(|tenant| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(Tenant(tenant));
                    extensions
                })
                .unwrap_or_default(),
        );
        request
    };
    let layer = || HttpSingleflightLayer::new().identity(|parts| parts.extensions.get::<Tenant>().cloned());
    assert!(shares(layer(), of(Some(1)), of(Some(1))).await);
    assert!(!shares(layer(), of(Some(1)), of(Some(2))).await);
    assert!(!shares(layer(), of(None), of(None)).await);
}

#[tokio::test]
async fn equal_conditions_coalesce_once_they_are_in_the_key() {
    let layer = || HttpSingleflightLayer::new().key_validators();
    let with = |value| get_with("/x", &[("if-none-match", value)]);
    assert!(shares(layer(), with("\"1\""), with("\"1\"")).await);
    assert!(!shares(layer(), with("\"1\""), with("\"2\"")).await);
    assert!(!shares(layer(), with("\"1\""), get("/x")).await);
    let other = || get_with("/x", &[("if-match", "\"1\"")]);
    assert!(!shares(layer(), other(), other()).await);
}

#[tokio::test]
async fn what_a_handler_reads_instead_of_the_target_tells_apart() {
    for (name, one, other, expected) in [
        ("last-event-id", "10", "42", 2),
        ("x-original-url", "/admin", "/", 2),
        ("x-rewrite-url", "/admin", "/", 2),
        ("x-forwarded-port", "80", "443", 2),
        ("x-forwarded-prefix", "/a", "/b", 2),
        ("forwarded", "host=a", "host=b", 2),
        ("forwarded", "for=1;Host=\"a\"", "for=1;host=b", 2),
        ("forwarded", "for=1;proto=http", "for=1;proto=https", 2),
        ("forwarded", "for=1, for=2;proto=http", "for=1;proto=http, for=2", 2),
        ("forwarded", "host=a", "host=a, for=2", 2),
        ("forwarded", "for=1;proto=http", "for=2; proto=\"http\"", 1),
        ("forwarded", "for=1;host=a", "for=2;host=a", 1),
        ("forwarded", "for=\"[::1]:1\"", "for=\"[::2]:1\"", 1),
        // Out of order: who reads it reads something else.
        ("forwarded", "for=\"x;host=a", "for=\"x;host=a", 2),
    ] {
        let mut bench = bench(HttpSingleflightLayer::new());
        let calls = [one, other].map(|value| bench.call(get_with("/x", &[(name, value)])));
        assert_eq!(bench.count().await, expected, "{name}: {one} {other}");
        drop(calls);
    }
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

/// The kind: everything of `Forwarded` but `for` and `by` counts; these too where their values are odd.
#[tokio::test]
async fn s27_of_forwarded_nothing_but_for_and_by_is_left_out() {
    let with = |value: &str| get_with("http://a/x", &[("forwarded", value)]);
    for (one, other, expected) in [
        ("for=192.0.2.1;host=a", "for=192.0.2.2;host=a", true),
        ("for=\"[2001:db8::1]:80\";by=_b;host=a", "for=192.0.2.2;host=a", true),
        ("for=1.1.1.1;tenant=ann", "for=1.1.1.1;tenant=bob", false),
        ("for=1.1.1.1;tenant=ann", "for=1.1.1.1", false),
        ("for=1.1.1.1;Port=1", "for=1.1.1.1;port=2", false),
        ("for=1.1.1.1;secret=\"x\"", "for=1.1.1.1;secret=\"y\"", false),
        ("for=<script>", "for=x", false),
        ("host=a", "host=b", false),
    ] {
        assert_eq!(shares(HttpSingleflightLayer::new(), with(one), with(other)).await, expected, "{one} {other}");
    }
}
