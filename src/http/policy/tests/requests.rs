//! Which requests may share.

use http::{Method, request::Parts};

use super::{
    super::{Admission, Content, Cookies, Credentials, Policy, is_unsafe},
    admit, request,
};
use crate::http::rule::Rule;

#[test]
fn s01_s15_methods_and_content() {
    let admit = |method, content| Policy::default().admit(&request(method, &[]), content, false);
    for method in ["GET", "HEAD"] {
        assert_eq!(admit(method, Content::Empty), Ok(Admission::Coalesce));
        assert_eq!(admit(method, Content::Keyed(None)), Ok(Admission::Coalesce));
        assert_eq!(admit(method, Content::Unknown), Err(Rule::S15Content));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "QUERY", "get"] {
        assert_eq!(admit(method, Content::Empty), Err(Rule::S1Method), "{method}");
    }
    let query = Method::from_bytes(b"QUERY").unwrap();
    let policy = Policy { methods: vec![query], ..Policy::default() };
    assert_eq!(policy.admit(&request("QUERY", &[]), Content::Keyed(Some(3)), false), Ok(Admission::Coalesce));
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
        assert_eq!(admit(&[("cache-control", line)]), Ok(Admission::Reload), "{line}");
    }
    assert_eq!(admit(&[("pragma", "x, No-Cache")]), Ok(Admission::Reload));
    assert_eq!(admit(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]), Ok(Admission::Coalesce));
    assert_eq!(admit(&[("cache-control", "max-age=60"), ("cache-control", "no-cache")]), Ok(Admission::Reload));
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
fn s21_requests_that_are_not_known_to_be_safe() {
    for (method, unsafe_) in
        [("GET", false), ("HEAD", false), ("OPTIONS", false), ("QUERY", false), ("POST", true), ("BREW", true)]
    {
        let is_unsafe = |fields| {
            let Parts { method, headers, .. } = request(method, fields);
            is_unsafe(&method, &headers)
        };
        assert_eq!(is_unsafe(&[]), unsafe_, "{method}");
        assert!(is_unsafe(&[("x-http-method-override", "DELETE")]), "{method}");
        assert!(is_unsafe(&[("X_HTTP_Method", "")]), "{method}");
    }
}
