//! Who may have an answer.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    super::{Again, CacheName, Credentials, Forwarded, Policy, RequestFacts, follower_head},
    ALL, judge, matching, request, response, verdict,
};
use crate::http::rule::Rule;

#[test]
fn s05_authorized_answers_are_shared_if_they_say_so() {
    let policy = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    let facts = policy.facts(&request("GET", &[("authorization", "a")]), false);
    let of = |facts, fields: &[(&str, &str)]| judge(&policy, facts, &response(200, fields)).0;
    for (line, expected) in [
        ("public", ALL),
        ("s-maxage=1", ALL),
        ("must-revalidate", ALL),
        ("max-age=60", Err(Rule::S5Authorization)),
        ("public, private", Err(Rule::S8CacheControl)),
        ("x=\"public\"", Err(Rule::S5Authorization)),
    ] {
        assert_eq!(of(facts, &[("cache-control", line)]), expected, "{line}");
    }
    assert_eq!(of(facts, &[("cdn-cache-control", "public")]), Err(Rule::S5Authorization));
    // What an anonymous leader got is not what others ask for with their credentials.
    let anonymous = policy.facts(&request("GET", &[]), false);
    assert_eq!(of(anonymous, &[]), matching(&["authorization"]));
    assert_eq!(of(anonymous, &[("cache-control", "public")]), ALL);
    let varying = [("vary", "Authorization"), ("access-control-allow-origin", "https://a")];
    assert_eq!(of(anonymous, &varying), matching(&["authorization", "origin"]));
}

#[test]
fn s07_s08_answers_for_the_leader_alone() {
    for (name, value, rule) in [
        ("set-cookie", "a=b", Rule::S7Personal),
        ("set-cookie2", "a=b", Rule::S7Personal),
        ("content-range", "bytes 0-1/2", Rule::S10Status),
        ("cache-control", "private", Rule::S8CacheControl),
        ("cache-control", "max-age=60, Private=\"x, y\"", Rule::S8CacheControl),
        ("cache-control", "NO-CACHE=\"set-cookie\"", Rule::S8CacheControl),
        ("cache-control", ",, no-store", Rule::S8CacheControl),
        ("cache-control", "x=\"unbalanced, private", Rule::S8CacheControl),
        ("cache-control", "max-age=60; private", Rule::S8CacheControl),
        ("cache-control", "public private", Rule::S8CacheControl),
        ("cdn-cache-control", "no-store", Rule::S8CacheControl),
        ("cloudflare-cdn-cache-control", "private", Rule::S8CacheControl),
        ("surrogate-control", "no-store", Rule::S8CacheControl),
    ] {
        assert_eq!(verdict(200, &[(name, value)]), Err(rule), "{name}: {value}");
    }
    assert_eq!(verdict(200, &[("cache-control", "x=\"a, private\"")]), ALL);
    assert_eq!(verdict(200, &[("cache-control", "max-age=0, must-revalidate")]), ALL);
    let stripping = Policy { strip_set_cookie: true, ..Policy::default() };
    assert_eq!(judge(&stripping, RequestFacts::default(), &response(200, &[("set-cookie", "a=b")])).0, ALL);
}

#[test]
fn s09_s20_answers_for_those_who_agree() {
    assert_eq!(verdict(200, &[("vary", "X-Plan, accept")]), matching(&["x-plan", "accept"]));
    assert_eq!(verdict(200, &[("vary", "a"), ("vary", ",b,,A")]), matching(&["a", "b"]));
    let long = "a;".repeat(40);
    for line in ["*", "a, *", "*, a", "a b", "a;b", "\"a\"", "a,\u{e9}", &long] {
        assert_eq!(verdict(200, &[("vary", line)]), Err(Rule::S9Vary), "{line}");
    }
    assert_eq!(verdict(200, &[("vary", "")]), ALL);
    assert_eq!(verdict(200, &[("access-control-allow-origin", "*")]), ALL);
    assert_eq!(verdict(200, &[("access-control-allow-origin", "https://a")]), matching(&["origin"]));
}

#[test]
fn s10_d4_statuses() {
    for status in [100, 101, 103, 199, 206, 304, 401, 403, 407, 408, 421, 425, 426, 429, 431, 505, 508, 511] {
        let said = [("cache-control", "public, max-age=60")];
        assert_eq!(verdict(status, &said), Err(Rule::S10Status), "{status}");
    }
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 500, 501, 502, 503, 504] {
        assert_eq!(verdict(status, &[]), ALL, "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 418, 451] {
        assert_eq!(verdict(status, &[]), Err(Rule::S10Status), "{status}");
        assert_eq!(verdict(status, &[("cache-control", "max-age=1")]), ALL, "{status}");
        assert_eq!(verdict(status, &[("expires", "Mon, 23 Nov 2026 12:00:00 GMT")]), ALL, "{status}");
    }
    let strict = Policy { share_server_errors: false, ..Policy::default() };
    let failed = response(503, &[("cache-control", "max-age=1")]);
    assert_eq!(judge(&strict, RequestFacts::default(), &failed), (Err(Rule::D4Failure), Again::Never));
    let validated = Policy { validators: true, ..Policy::default() };
    let facts = validated.facts(&request("GET", &[("if-none-match", "\"1\"")]), false);
    assert_eq!(judge(&validated, facts, &response(304, &[])).0, ALL);
}

#[test]
fn s17_what_followers_do_not_get() {
    let mut head = response(
        200,
        &[
            ("connection", "x-a, X-B"),
            ("connection", "close"),
            ("x-a", "1"),
            ("x-b", "1"),
            ("x-c", "1"),
            ("upgrade", "h2c"),
            ("x-request-id", "1"),
            ("x-own", "1"),
        ],
    );
    follower_head(&mut head, &[HeaderName::from_static("x-own")]);
    assert_eq!(head.headers, HeaderMap::from_iter([(HeaderName::from_static("x-c"), HeaderValue::from_static("1"))]));
}

#[test]
fn s24_a_cache_is_named_by_a_token_or_a_string() {
    for (name, member) in [
        ("cache", "cache; fwd=bypass"),
        ("a.b:80/c", "a.b:80/c; fwd=bypass"),
        ("my cache", "\"my cache\"; fwd=bypass"),
        ("\"\\", "\"\\\"\\\\\"; fwd=bypass"),
        ("8", "\"8\"; fwd=bypass"),
        ("", "\"\"; fwd=bypass"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("cache-status", HeaderValue::from_static("origin; hit"));
        CacheName::new(name).append(Forwarded::Bypass, None, &mut headers);
        let members: Vec<_> = headers.get_all("cache-status").iter().collect();
        assert_eq!(members, ["origin; hit", member]);
    }
}

#[test]
#[should_panic(expected = "printable ASCII")]
fn s24_a_name_that_no_field_can_carry_is_refused() {
    CacheName::new("caché");
}
