//! The rules of the policy, by number; the parsers, with anything.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header, request, response};
use proptest::prelude::*;

mod cases;
mod failing;
mod personal;
mod strict;

use super::{
    Admission, Again, AnswerHead, CacheName, Content, Cookies, Credentials, Forwarded, Policy, RequestFacts,
    directives::directives, follower_head, is_unsafe, vary::vary,
};
use crate::http::rule::Rule;

/// With whom an answer is shared: those who agree with the leader in these fields.
type Share = Result<Vec<HeaderName>, Rule>;

const ALL: Share = Ok(Vec::new());

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

fn admit(fields: &[(&str, &str)]) -> Result<Admission, Rule> {
    Policy::default().admit(&request("GET", fields), Content::Empty, false)
}

/// Judges an answer of known length.
fn judge(policy: &Policy, facts: RequestFacts, head: &response::Parts) -> (Share, Again) {
    let verdict = policy.verdict(facts, AnswerHead { head, has_length: true });
    (verdict.share.map(|()| verdict.names), verdict.again)
}

fn verdict(status: u16, fields: &[(&str, &str)]) -> Share {
    judge(&Policy::default(), RequestFacts::default(), &response(status, fields)).0
}

fn matching(names: &[&'static str]) -> Share {
    Ok(names.iter().map(|name| HeaderName::from_static(name)).collect())
}

#[test]
fn s01_s15_methods_and_content() {
    let admit = |method, content| Policy::default().admit(&request(method, &[]), content, false);
    for method in ["GET", "HEAD"] {
        assert_eq!(admit(method, Content::Empty), Ok(Admission::Coalesce));
        assert_eq!(admit(method, Content::Keyed), Ok(Admission::Coalesce));
        assert_eq!(admit(method, Content::Unknown), Err(Rule::S15Content));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY", "get"] {
        assert_eq!(admit(method, Content::Empty), Err(Rule::S1Method), "{method}");
    }
    let query = Method::from_bytes(b"QUERY").unwrap();
    let policy = Policy { methods: vec![query], ..Policy::default() };
    assert_eq!(policy.admit(&request("QUERY", &[]), Content::Keyed, false), Ok(Admission::Coalesce));
}

#[test]
fn s15_content_that_is_announced_and_absent_goes_alone() {
    for field in [("content-length", "1"), ("transfer-encoding", "chunked"), ("content-length", "x")] {
        assert_eq!(self::admit(&[field]), Err(Rule::S15Content), "{field:?}");
    }
    assert_eq!(self::admit(&[("content-length", "0")]), Ok(Admission::Coalesce));
}

#[test]
fn s05_s06_s11_s12_s14_s30_fields_that_go_alone() {
    for (name, rule) in [
        ("authorization", Rule::S5Authorization),
        ("proxy-authorization", Rule::S5Authorization),
        ("cookie", Rule::S6Cookie),
        ("range", Rule::S11Range),
        ("if-range", Rule::S11Range),
        ("if-match", Rule::S12Condition),
        ("if-none-match", Rule::S12Condition),
        ("if-modified-since", Rule::S12Condition),
        ("if-unmodified-since", Rule::S12Condition),
        ("upgrade", Rule::S14Connection),
        ("expect", Rule::S14Connection),
    ] {
        for value in ["x", ""] {
            assert_eq!(admit(&[(name, value)]), Err(rule), "{name}: {value}");
        }
    }
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        for spelled in [name.to_owned(), name.replace('-', "_"), name.to_ascii_uppercase(), name.replacen('-', "_", 1)]
        {
            assert_eq!(admit(&[(&spelled, "DELETE")]), Err(Rule::S30MethodOverride), "{spelled}");
        }
    }
    for name in ["x-http-methods", "x-method", "http-method-override", "x-http-method-overrides"] {
        assert_eq!(admit(&[(name, "x")]), Ok(Admission::Coalesce), "{name}: it is in the key");
    }
}

/// RFC 9110, section 7.6.1: the next hop takes out what is listed.
#[test]
fn s14_connection_may_list_what_is_of_the_hop_itself_and_nothing_else() {
    for lines in [
        &["close"][..],
        &["keep-alive"],
        &["Keep-Alive, TE"],
        &["te", "close"],
        &["upgrade"],
        &["keep-alive, UPGRADE"],
        &["", " , "],
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("connection", *line)).collect();
        assert_eq!(admit(&fields), Ok(Admission::Coalesce), "{lines:?}");
    }
    for lines in [
        &["x-tenant"][..],
        &["close, x-tenant"],
        &["close", "x-tenant"],
        &["a ,upgrade"],
        &["keep-alive;x"],
        &["\"close\""],
        &["keep alive"],
        &["accept-encoding"],
        &["host"],
        &["authorization"],
        &["transfer-encoding"],
        &["http2-settings"],
        &["keep-alive, http2-settings, upgrade"],
        &["\u{e9}"],
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("connection", *line)).collect();
        assert_eq!(admit(&fields), Err(Rule::S14Connection), "{lines:?}");
    }
    assert_eq!(admit(&[("connection", "keep-alive"), ("te", "trailers"), ("accept", "*/*")]), Ok(Admission::Coalesce));
}

/// RFC 9113, section 3.1: obsolete, and offered by clients whose answer it does not change.
#[test]
fn s14_an_offer_of_h2c_alone_changes_nothing() {
    for fields in [
        &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")][..],
        &[("connection", "upgrade"), ("upgrade", "H2C")],
        &[("upgrade", "h2c, h2c")],
        &[("upgrade", "h2c"), ("upgrade", " h2c")],
    ] {
        assert_eq!(admit(fields), Ok(Admission::Coalesce), "{fields:?}");
    }
    for fields in [
        &[("upgrade", "websocket")][..],
        &[("upgrade", "h2c, websocket")],
        &[("upgrade", "h2c"), ("upgrade", "websocket")],
        &[("upgrade", "h2c/1")],
        &[("upgrade", "h2")],
        &[("upgrade", "h2c"), ("upgrade", "")],
        &[("upgrade", "TLS/1.0")],
        &[("upgrade", "h2c"), ("connection", "upgrade, http2-settings, x-any")],
    ] {
        assert_eq!(admit(fields), Err(Rule::S14Connection), "{fields:?}");
    }
}

#[test]
fn s13_directives_of_a_request() {
    for line in
        ["no-store", "only-if-cached", "max-age=5, NO-STORE", "no-store=\"x\"", "a b", "\"", "max-age=5;no-store"]
    {
        assert_eq!(admit(&[("cache-control", line)]), Err(Rule::S13CacheControl), "{line}");
    }
    for line in ["no-cache", "max-age=0", "max-age=00", "max-age=\"0\"", "No-Cache, x=y", "max-age"] {
        assert_eq!(admit(&[("cache-control", line)]), Ok(Admission::LeadOnly), "{line}");
    }
    assert_eq!(admit(&[("pragma", "x, No-Cache")]), Ok(Admission::LeadOnly));
    assert_eq!(admit(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]), Ok(Admission::Coalesce));
    assert_eq!(admit(&[("cache-control", "max-age=60"), ("cache-control", "no-cache")]), Ok(Admission::LeadOnly));
}

#[test]
fn what_is_keyed_does_not_go_alone() {
    let policy =
        Policy { credentials: Credentials::Keyed, cookies: Cookies::Keyed, validators: true, ..Policy::default() };
    let fields = [("authorization", "a"), ("proxy-authorization", "b"), ("cookie", "c=d"), ("if-none-match", "e")];
    assert_eq!(policy.admit(&request("GET", &fields), Content::Empty, false), Ok(Admission::Coalesce));
    let by_response = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    assert_eq!(by_response.admit(&request("GET", &fields[..1]), Content::Empty, false), Ok(Admission::Coalesce));
    assert_eq!(by_response.admit(&request("GET", &fields[1..2]), Content::Empty, false), Err(Rule::S5Authorization));
}

#[test]
fn s06_cookies_of_no_account_may_be_named() {
    let policy = Policy { cookies: Cookies::Ignored(["_ga", "_gid"].map(Into::into).to_vec()), ..Policy::default() };
    let admit = |lines: &[&str]| {
        let fields: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
        policy.admit(&request("GET", &fields), Content::Empty, false)
    };
    for lines in [&["_ga=1"][..], &["_ga=1; _gid=2"], &["_gid=2", "_ga=1"], &["_ga="], &[""], &["_ga=1; _ga=2;"]] {
        assert_eq!(admit(lines), Ok(Admission::Coalesce), "{lines:?}");
    }
    for lines in [
        &["sid=1"][..],
        &["_ga=1; sid=1"],
        &["_ga=1", "sid=1"],
        &["_GA=1"],
        &["_ga2=1"],
        &["_ga"],
        &["_ga=1, sid=1"],
        &["_ga=\"1; sid=1\""],
        &["_ga=1;=1"],
        &["_ga =1"],
    ] {
        assert_eq!(admit(lines), Err(Rule::S6Cookie), "{lines:?}");
    }
}

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
    for line in ["*", "a, *", "*, a", "a b", "a;b", "\"a\"", "a,\u{e9}"] {
        assert_eq!(verdict(200, &[("vary", line)]), Err(Rule::S9Vary), "{line}");
    }
    assert_eq!(verdict(200, &[("vary", "")]), ALL);
    assert_eq!(verdict(200, &[("access-control-allow-origin", "*")]), ALL);
    assert_eq!(verdict(200, &[("access-control-allow-origin", "https://a")]), matching(&["origin"]));
}

#[test]
fn s10_d4_statuses() {
    for status in [100, 101, 103, 199, 206, 304, 401, 403, 407, 408, 421, 425, 429, 431, 511] {
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
fn s21_requests_that_are_not_known_to_be_safe() {
    for (method, unsafe_) in
        [("GET", false), ("HEAD", false), ("OPTIONS", false), ("QUERY", false), ("POST", true), ("BREW", true)]
    {
        assert_eq!(is_unsafe(&request(method, &[])), unsafe_, "{method}");
        assert!(is_unsafe(&request(method, &[("x-http-method-override", "DELETE")])), "{method}");
        assert!(is_unsafe(&request(method, &[("X_HTTP_Method", "")])), "{method}");
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
        prop_assert_eq!(verdict(200, &[("cache-control", &line)]), Err(Rule::S8CacheControl), "{}", line);
        // Without it the line is in order, and shared.
        let rest: Vec<_> = before.into_iter().chain(after).collect();
        prop_assert_eq!(verdict(200, &[("cache-control", &rest.join(","))]), ALL);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(line in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(directives(&line).count() <= line.len());
        let mut names = Vec::new();
        let read = vary(&line, &mut names);
        prop_assert!(read.is_none() || !line.contains(&b'*') || names.iter().any(|name| name.as_str().contains('*')));
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            for name in [header::CACHE_CONTROL, header::VARY, header::CONNECTION, header::PRAGMA, header::UPGRADE, header::COOKIE] {
                let mut asks = request("GET", &[]);
                asks.headers.insert(&name, value.clone());
                let _ = Policy::default().admit(&asks, Content::Empty, false);
                let mut head = response(200, &[]);
                head.headers.insert(&name, value.clone());
                let _ = judge(&Policy::default(), RequestFacts::default(), &head);
                follower_head(&mut head, &[]);
            }
        }
    }

    #[test]
    fn a_private_in_plain_sight_is_never_shared(before in "[ -~]{0,12}", after in "[ -~]{0,12}") {
        prop_assume!(!before.contains('"') && !after.contains('"'));
        let line = format!("{before},private,{after}");
        prop_assert_eq!(verdict(200, &[("cache-control", &line)]), Err(Rule::S8CacheControl));
    }
}
