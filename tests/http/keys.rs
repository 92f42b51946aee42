//! What tells requests apart.

use http::{HeaderName, Request, Version};
use tower_singleflight::HttpSingleflightLayer;

use crate::origin::{RequestBody, bench, get, get_with, ok, request};

async fn are_one(layer: HttpSingleflightLayer, first: Request<RequestBody>, second: Request<RequestBody>) -> bool {
    let mut bench = bench(layer);
    let calls = [bench.call(first), bench.call(second)];
    let count = bench.count().await;
    for _ in 0..count {
        bench.next().await.answer(ok(&[], "x"));
    }
    for call in calls {
        call.await.unwrap();
    }
    count == 1
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
        assert!(!are_one(HttpSingleflightLayer::new(), first, second).await);
    }
}

#[tokio::test]
async fn t04_the_authority_comes_from_the_uri_or_else_from_host() {
    let layer = HttpSingleflightLayer::new;
    assert!(!are_one(layer(), get_with("/x", &[("host", "a")]), get_with("/x", &[("host", "b")])).await);
    assert!(are_one(layer(), get_with("/x", &[("host", "a")]), get_with("/x", &[("host", "a")])).await);
    let mut h2 = get("http://a/x");
    *h2.version_mut() = Version::HTTP_2;
    assert!(are_one(layer(), get_with("http://a/x", &[("host", "a")]), h2).await);
    // Both there, and they disagree: alone.
    let torn = || get_with("http://a/x", &[("host", "b")]);
    assert!(!are_one(layer(), torn(), torn()).await);
    let twice = || get_with("/x", &[("host", "a"), ("host", "a")]);
    assert!(!are_one(layer(), twice(), twice()).await);
}

#[tokio::test]
async fn s27_what_handlers_forget_in_vary_is_always_in_the_key() {
    for name in ["accept", "accept-encoding", "accept-language", "origin", "sec-fetch-mode", "x-any"] {
        let with = |value| get_with("/x", &[(name, value)]);
        assert!(!are_one(HttpSingleflightLayer::new(), with("a"), with("b")).await, "{name}");
        assert!(!are_one(HttpSingleflightLayer::new(), with("a"), get("/x")).await, "{name}");
        assert!(are_one(HttpSingleflightLayer::new(), with("a"), with("a")).await, "{name}");
    }
    let other = |value| get_with("/x", &[("user-agent", value)]);
    assert!(are_one(HttpSingleflightLayer::new(), other("a"), other("b")).await);
}

#[tokio::test]
async fn chosen_headers_count_and_ignored_parameters_do_not() {
    let layer = || HttpSingleflightLayer::new().key_header(HeaderName::from_static("x-real-ip"));
    let with = |value| get_with("/x", &[("x-real-ip", value)]);
    assert!(are_one(HttpSingleflightLayer::new(), with("a"), with("b")).await);
    assert!(!are_one(layer(), with("a"), with("b")).await);
    assert!(are_one(layer(), with("a"), with("a")).await);
    let layer = || HttpSingleflightLayer::new().ignore_headers(["x-own-*", "X-Any"]);
    assert!(are_one(layer(), get_with("/x", &[("x-own-trace", "1"), ("x-any", "1")]), get("/x")).await);
    assert!(!are_one(layer(), get_with("/x", &[("x-own", "1")]), get("/x")).await);
    let layer = || HttpSingleflightLayer::new().ignore_query(["utm_source", "fbclid"]);
    assert!(are_one(layer(), get("/x?a=1&utm_source=m"), get("/x?fbclid=7&a=1")).await);
    assert!(!are_one(layer(), get("/x?a=1&utm_source=m"), get("/x?a=2&utm_source=m")).await);
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
    assert!(are_one(layer(), of(Some(1)), of(Some(1))).await);
    assert!(!are_one(layer(), of(Some(1)), of(Some(2))).await);
    assert!(!are_one(layer(), of(None), of(None)).await);
}

#[tokio::test]
async fn equal_conditions_coalesce_once_they_are_in_the_key() {
    let layer = || HttpSingleflightLayer::new().key_validators();
    let with = |value| get_with("/x", &[("if-none-match", value)]);
    assert!(are_one(layer(), with("\"1\""), with("\"1\"")).await);
    assert!(!are_one(layer(), with("\"1\""), with("\"2\"")).await);
    assert!(!are_one(layer(), with("\"1\""), get("/x")).await);
    let other = || get_with("/x", &[("if-match", "\"1\"")]);
    assert!(!are_one(layer(), other(), other()).await);
}
