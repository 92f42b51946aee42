//! The rules of the policy, by number; the parsers, with anything.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header, request, response};
use proptest::prelude::*;

mod cases;
mod strict;

use super::{
    Admission, Bypass, CacheName, Content, Cookies, Credentials, Forwarded, Policy, Verdict, cache_status,
    directives::directives, follower_head, is_unsafe, vary::vary, verdict::Asked,
};

fn request(method: &str, fields: &[(&str, &str)]) -> request::Parts {
    let request =
        fields.iter().fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").into_parts().0
}

fn response(status: u16, fields: &[(&str, &str)]) -> response::Parts {
    let response = fields
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(()).expect("a response").into_parts().0
}

fn admit(fields: &[(&str, &str)]) -> Admission {
    Policy::default().admit(&request("GET", fields), Content::Empty, false)
}

fn verdict(status: u16, fields: &[(&str, &str)]) -> Verdict {
    Policy::default().verdict(Asked::default(), &response(status, fields))
}

fn matching(names: &[&'static str]) -> Verdict {
    Verdict::Matching(names.iter().map(|name| HeaderName::from_static(name)).collect())
}

#[test]
fn s01_s15_methods_and_content() {
    let admit = |method, content| Policy::default().admit(&request(method, &[]), content, false);
    for method in ["GET", "HEAD"] {
        assert_eq!(admit(method, Content::Empty), Admission::Coalesce);
        assert_eq!(admit(method, Content::Keyed), Admission::Coalesce);
        assert_eq!(admit(method, Content::Unknown), Admission::Bypass(Bypass::Content));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY", "get"] {
        assert_eq!(admit(method, Content::Empty), Admission::Bypass(Bypass::Method), "{method}");
    }
    let query = Method::from_bytes(b"QUERY").unwrap();
    let policy = Policy { methods: vec![query], ..Policy::default() };
    assert_eq!(policy.admit(&request("QUERY", &[]), Content::Keyed, false), Admission::Coalesce);
}

#[test]
fn s15_content_that_is_announced_and_absent_goes_alone() {
    for field in [("content-length", "1"), ("transfer-encoding", "chunked"), ("content-length", "x")] {
        assert_eq!(self::admit(&[field]), Admission::Bypass(Bypass::Content), "{field:?}");
    }
    assert_eq!(self::admit(&[("content-length", "0")]), Admission::Coalesce);
}

#[test]
fn s05_s06_s11_s12_s14_fields_that_go_alone() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "range",
        "if-range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "upgrade",
        "expect",
        "x-http-method-override",
    ] {
        assert_eq!(admit(&[(name, "x")]), Admission::Bypass(Bypass::Field), "{name}");
    }
    for value in ["upgrade", "keep-alive, UPGRADE", "a ,upgrade"] {
        assert_eq!(admit(&[("connection", value)]), Admission::Bypass(Bypass::Field), "{value}");
    }
    assert_eq!(admit(&[("connection", "keep-alive"), ("te", "trailers"), ("accept", "*/*")]), Admission::Coalesce);
}

#[test]
fn s13_directives_of_a_request() {
    for line in
        ["no-store", "only-if-cached", "max-age=5, NO-STORE", "no-store=\"x\"", "a b", "\"", "max-age=5;no-store"]
    {
        assert_eq!(admit(&[("cache-control", line)]), Admission::Bypass(Bypass::Field), "{line}");
    }
    for line in ["no-cache", "max-age=0", "max-age=00", "max-age=\"0\"", "No-Cache, x=y", "max-age"] {
        assert_eq!(admit(&[("cache-control", line)]), Admission::LeadOnly, "{line}");
    }
    assert_eq!(admit(&[("pragma", "x, No-Cache")]), Admission::LeadOnly);
    assert_eq!(admit(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]), Admission::Coalesce);
    assert_eq!(admit(&[("cache-control", "max-age=60"), ("cache-control", "no-cache")]), Admission::LeadOnly);
}

#[test]
fn what_is_keyed_does_not_go_alone() {
    let policy =
        Policy { credentials: Credentials::Keyed, cookies: Cookies::Keyed, validators: true, ..Policy::default() };
    let fields = [("authorization", "a"), ("proxy-authorization", "b"), ("cookie", "c=d"), ("if-none-match", "e")];
    assert_eq!(policy.admit(&request("GET", &fields), Content::Empty, false), Admission::Coalesce);
    let by_response = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    assert_eq!(by_response.admit(&request("GET", &fields[..1]), Content::Empty, false), Admission::Coalesce);
    assert_eq!(
        by_response.admit(&request("GET", &fields[1..2]), Content::Empty, false),
        Admission::Bypass(Bypass::Field)
    );
}

#[test]
fn s05_authorized_answers_are_shared_if_they_say_so() {
    let policy = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    let asked = policy.asked(&request("GET", &[("authorization", "a")]));
    for (line, expected) in [
        ("public", Verdict::All),
        ("s-maxage=1", Verdict::All),
        ("must-revalidate", Verdict::All),
        ("max-age=60", Verdict::Nobody),
        ("public, private", Verdict::Nobody),
        ("x=\"public\"", Verdict::Nobody),
    ] {
        assert_eq!(policy.verdict(asked, &response(200, &[("cache-control", line)])), expected, "{line}");
    }
    assert_eq!(policy.verdict(asked, &response(200, &[("cdn-cache-control", "public")])), Verdict::Nobody);
    // What an anonymous leader got is not what others ask for with their credentials.
    let anonymous = policy.asked(&request("GET", &[]));
    assert_eq!(policy.verdict(anonymous, &response(200, &[])), matching(&["authorization"]));
    assert_eq!(policy.verdict(anonymous, &response(200, &[("cache-control", "public")])), Verdict::All);
    let varying = response(200, &[("vary", "Authorization"), ("access-control-allow-origin", "https://a")]);
    assert_eq!(policy.verdict(anonymous, &varying), matching(&["authorization", "origin"]));
}

#[test]
fn s07_s08_answers_for_the_leader_alone() {
    for field in [
        ("set-cookie", "a=b"),
        ("set-cookie2", "a=b"),
        ("content-range", "bytes 0-1/2"),
        ("cache-control", "private"),
        ("cache-control", "max-age=60, Private=\"x, y\""),
        ("cache-control", "NO-CACHE=\"set-cookie\""),
        ("cache-control", ",, no-store"),
        ("cache-control", "x=\"unbalanced, private"),
        ("cache-control", "max-age=60; private"),
        ("cache-control", "public private"),
        ("cdn-cache-control", "no-store"),
        ("cloudflare-cdn-cache-control", "private"),
        ("surrogate-control", "no-store"),
    ] {
        assert_eq!(verdict(200, &[field]), Verdict::Nobody, "{field:?}");
    }
    assert_eq!(verdict(200, &[("cache-control", "x=\"a, private\"")]), Verdict::All);
    assert_eq!(verdict(200, &[("cache-control", "max-age=0, must-revalidate")]), Verdict::All);
    let stripping = Policy { strip_set_cookie: true, ..Policy::default() };
    assert_eq!(stripping.verdict(Asked::default(), &response(200, &[("set-cookie", "a=b")])), Verdict::All);
}

#[test]
fn s09_s20_answers_for_those_who_agree() {
    assert_eq!(verdict(200, &[("vary", "X-Plan, accept")]), matching(&["x-plan", "accept"]));
    assert_eq!(verdict(200, &[("vary", "a"), ("vary", ",b,,A")]), matching(&["a", "b"]));
    for line in ["*", "a, *", "*, a", "a b", "a;b", "\"a\"", "a,\u{e9}"] {
        assert_eq!(verdict(200, &[("vary", line)]), Verdict::Nobody, "{line}");
    }
    assert_eq!(verdict(200, &[("vary", "")]), Verdict::All);
    assert_eq!(verdict(200, &[("access-control-allow-origin", "*")]), Verdict::All);
    assert_eq!(verdict(200, &[("access-control-allow-origin", "https://a")]), matching(&["origin"]));
}

#[test]
fn s10_d4_statuses() {
    for status in [100, 101, 103, 199, 206, 304, 401, 403, 407, 408, 421, 425, 429, 431, 511] {
        assert_eq!(verdict(status, &[("cache-control", "public, max-age=60")]), Verdict::Nobody, "{status}");
    }
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 500, 501, 502, 503, 504] {
        assert_eq!(verdict(status, &[]), Verdict::All, "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 418, 451] {
        assert_eq!(verdict(status, &[]), Verdict::Nobody, "{status}");
        assert_eq!(verdict(status, &[("cache-control", "max-age=1")]), Verdict::All, "{status}");
        assert_eq!(verdict(status, &[("expires", "Mon, 23 Nov 2026 12:00:00 GMT")]), Verdict::All, "{status}");
    }
    let strict = Policy { share_server_errors: false, ..Policy::default() };
    assert_eq!(strict.verdict(Asked::default(), &response(503, &[("cache-control", "max-age=1")])), Verdict::Nobody);
    let validated = Policy { validators: true, ..Policy::default() };
    let asked = validated.asked(&request("GET", &[("if-none-match", "\"1\"")]));
    assert_eq!(validated.verdict(asked, &response(304, &[])), Verdict::All);
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
        ],
    );
    follower_head(&mut head);
    assert_eq!(head.headers, HeaderMap::from_iter([(HeaderName::from_static("x-c"), HeaderValue::from_static("1"))]));
}

#[test]
fn s21_methods_that_are_not_known_to_be_safe() {
    for (method, unsafe_) in
        [("GET", false), ("HEAD", false), ("OPTIONS", false), ("QUERY", false), ("POST", true), ("BREW", true)]
    {
        assert_eq!(is_unsafe(&Method::from_bytes(method.as_bytes()).unwrap()), unsafe_, "{method}");
    }
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
        cache_status(&CacheName::new(name), Forwarded::Bypass, &mut headers);
        let members: Vec<_> = headers.get_all("cache-status").iter().collect();
        assert_eq!(members, ["origin; hit", member]);
    }
}

#[test]
#[should_panic(expected = "printable ASCII")]
fn s24_a_name_that_no_field_can_carry_is_refused() {
    CacheName::new("caché");
}

/// Elements of a well-formed list of directives.
fn element() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z-]{1,8}", "[a-z-]{1,8}=[a-z0-9]{1,4}", "[a-z-]{1,8}=\"[a-z ,=;]{0,9}\"", Just(String::new()),]
        .prop_filter("not one of those that are looked for", |element| {
            !["private", "no-store", "no-cache"].iter().any(|name| element.split('=').next() == Some(name))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_directive_is_found_wherever_it_stands(
        before in prop::collection::vec(element(), 0..5),
        after in prop::collection::vec(element(), 0..5),
        which in 0..3_usize,
        upper in any::<bool>(),
        qualified in any::<bool>(),
        space in "[ \t]{0,2}",
    ) {
        let mut wanted = ["private", "no-store", "no-cache"][which].to_owned();
        if upper {
            wanted.make_ascii_uppercase();
        }
        if qualified {
            wanted.push_str("=\"a, b\"");
        }
        let elements: Vec<_> = before.iter().cloned().chain([wanted]).chain(after.iter().cloned()).collect();
        let line = elements.join(&format!("{space},{space}"));
        prop_assert_eq!(verdict(200, &[("cache-control", &line)]), Verdict::Nobody, "{}", line);
        // Without it the line is in order, and shared.
        let rest: Vec<_> = before.into_iter().chain(after).collect();
        prop_assert_eq!(verdict(200, &[("cache-control", &rest.join(","))]), Verdict::All);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(line in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(directives(&line).count() <= line.len());
        let mut names = Vec::new();
        let read = vary(&line, &mut names);
        prop_assert!(read.is_none() || !line.contains(&b'*') || names.iter().any(|name| name.as_str().contains('*')));
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            for name in [header::CACHE_CONTROL, header::VARY, header::CONNECTION, header::PRAGMA] {
                let mut asks = request("GET", &[]);
                asks.headers.insert(&name, value.clone());
                let _ = Policy::default().admit(&asks, Content::Empty, false);
                let mut head = response(200, &[]);
                head.headers.insert(&name, value.clone());
                let _ = Policy::default().verdict(Asked::default(), &head);
                follower_head(&mut head);
            }
        }
    }

    #[test]
    fn a_private_in_plain_sight_is_never_shared(before in "[ -~]{0,12}", after in "[ -~]{0,12}") {
        prop_assume!(!before.contains('"') && !after.contains('"'));
        let line = format!("{before},private,{after}");
        prop_assert_eq!(verdict(200, &[("cache-control", &line)]), Verdict::Nobody);
    }
}
