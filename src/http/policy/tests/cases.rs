//! The cases of the contract (T12 to T18, T22 to T28, T60), asked of the policy alone.

use http::HeaderMap;

use super::{admit, matching, request, response, verdict};
use crate::http::policy::{
    Admission, Asked, Bypass, CacheName, Content, Credentials, Forwarded, Policy, Verdict, cache_status, follower_head,
};

const ALONE: Admission = Admission::Bypass(Bypass::Field);

#[test]
fn t12_other_methods_go_alone() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let admission = Policy::default().admit(&request(method, &[]), Content::Empty, false);
        assert_eq!(admission, Admission::Bypass(Bypass::Method), "{method}");
    }
}

#[test]
fn t13_credentials_go_alone_unless_they_are_in_the_key() {
    let keyed = Policy { credentials: Credentials::Keyed, ..Policy::default() };
    for name in ["authorization", "proxy-authorization"] {
        assert_eq!(admit(&[(name, "Bearer a")]), ALONE, "{name}");
        // An empty one is one, too.
        assert_eq!(admit(&[(name, "")]), ALONE, "{name}");
        let admission = keyed.admit(&request("GET", &[(name, "Bearer a")]), Content::Empty, false);
        assert_eq!(admission, Admission::Coalesce, "{name}");
    }
}

#[test]
fn t14_to_t17_cookies_ranges_and_conditions_go_alone() {
    for field in [
        ("cookie", "id=1"),
        ("range", "bytes=0-9"),
        ("range", "not a range"),
        ("if-range", "\"1\""),
        ("if-none-match", "*"),
        ("if-modified-since", "not a date"),
        ("if-match", "\"1\""),
        ("if-unmodified-since", ""),
    ] {
        assert_eq!(admit(&[field]), ALONE, "{field:?}");
        // Whatever stands before and behind it.
        assert_eq!(admit(&[("accept", "*/*"), field, ("te", "trailers")]), ALONE, "{field:?}");
    }
}

#[test]
fn t16_only_conditions_that_are_in_the_key_may_coalesce() {
    let keyed = Policy { validators: true, ..Policy::default() };
    for (name, expected) in [
        ("if-none-match", Admission::Coalesce),
        ("if-modified-since", Admission::Coalesce),
        ("if-match", ALONE),
        ("if-unmodified-since", ALONE),
        ("if-range", ALONE),
    ] {
        assert_eq!(keyed.admit(&request("GET", &[(name, "x")]), Content::Empty, false), expected, "{name}");
    }
    assert_eq!(keyed.verdict(keyed.asked(&request("GET", &[])), &response(304, &[])), Verdict::Nobody);
}

#[test]
fn t18_a_reload_leads_and_what_must_not_be_stored_goes_alone() {
    for (lines, expected) in [
        (&["no-store"][..], ALONE),
        (&["max-age=60", "no-store"], ALONE),
        (&["no-cache", "no-store"], ALONE),
        (&["no-cache", "only-if-cached"], ALONE),
        (&["no-cache"], Admission::LeadOnly),
        (&["max-age=60", "max-age=0"], Admission::LeadOnly),
        (&["max-age=60", "no-transform"], Admission::Coalesce),
        (&["x=\"no-store, no-cache\""], Admission::Coalesce),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
        assert_eq!(admit(&fields), expected, "{lines:?}");
    }
    // A reload that has a reason to go alone does.
    assert_eq!(admit(&[("cache-control", "no-cache"), ("cookie", "a=1")]), ALONE);
}

#[test]
fn t22_a_cookie_is_the_leaders_for_anonymous_followers_too() {
    for fields in [
        &[("set-cookie", "id=1")][..],
        &[("set-cookie", "id=1"), ("set-cookie", "b=2")],
        &[("cache-control", "public, max-age=60"), ("set-cookie", "id=1")],
        &[("set-cookie", "")],
    ] {
        assert_eq!(verdict(200, fields), Verdict::Nobody, "{fields:?}");
    }
    let stripping = Policy { strip_set_cookie: true, ..Policy::default() };
    let mut head = response(200, &[("set-cookie", "id=1"), ("set-cookie", "b=2"), ("etag", "\"1\"")]);
    assert_eq!(stripping.verdict(Asked::default(), &head), Verdict::All);
    follower_head(&mut head);
    assert_eq!(head.headers, response(200, &[("etag", "\"1\"")]).headers);
}

#[test]
fn t23_what_is_private_is_the_leaders_in_any_form() {
    for name in ["cache-control", "cdn-cache-control", "surrogate-control", "x-cdn-cache-control"] {
        for directive in
            ["private", "no-store", "no-cache", "NO-STORE", "private=\"x\"", "no-cache=\"a, b\"", "private=x"]
        {
            assert_eq!(verdict(200, &[(name, directive)]), Verdict::Nobody, "{name}: {directive}");
            let second = [(name, "max-age=60"), (name, directive)];
            assert_eq!(verdict(200, &second), Verdict::Nobody, "{name}: {directive} in the second line");
            let behind = format!("x=\"\\\",\", {directive}");
            assert_eq!(verdict(200, &[(name, &behind)]), Verdict::Nobody, "{name}: {behind}");
        }
        for broken in ["\"private\"", "max-age=60,\"", "x=", "=x", "a=b=c", "x=\"\\", "max-age = 60", "\u{e9}"] {
            assert_eq!(verdict(200, &[(name, broken)]), Verdict::Nobody, "{name}: {broken}");
        }
    }
}

#[test]
fn t24_public_plain_and_stale_answers_are_everybodys() {
    for fields in [
        &[("cache-control", "public, max-age=60")][..],
        &[],
        &[("cache-control", "")],
        &[("cache-control", "max-age=0")],
        &[("cache-control", "immutable, x=\"private\"")],
        &[("cache-control", "privately, no-storage")],
        &[("expires", "0")],
        &[("pragma", "no-cache")],
    ] {
        assert_eq!(verdict(200, fields), Verdict::All, "{fields:?}");
    }
}

#[test]
fn t25_t26_t27_a_varying_answer_is_for_those_who_agree() {
    for (lines, expected) in [
        (&["X-Plan"][..], matching(&["x-plan"])),
        (&["X-Plan, x-plan", "X-PLAN"], matching(&["x-plan"])),
        (&["a, b", "c"], matching(&["a", "b", "c"])),
        (&["", " , ,"], Verdict::All),
        (&["a", "*"], Verdict::Nobody),
        (&["a", "b c"], Verdict::Nobody),
        (&[":path"], Verdict::Nobody),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
        assert_eq!(verdict(200, &fields), expected, "{lines:?}");
    }
}

#[test]
fn t28_statuses_of_one_request_are_the_leaders() {
    for status in [206, 304, 401, 403, 407, 429] {
        assert_eq!(verdict(status, &[]), Verdict::Nobody, "{status}");
    }
    for status in [404, 301, 410] {
        assert_eq!(verdict(status, &[]), Verdict::All, "{status}");
    }
}

#[test]
fn t60_cache_status_says_what_became_of_a_request_behind_what_others_said() {
    let name = CacheName::new("here");
    for (forwarded, member) in [
        (Forwarded::Leader, "here; fwd=uri-miss"),
        (Forwarded::Follower, "here; fwd=uri-miss; collapsed"),
        (Forwarded::Released, "here; fwd=uri-miss; collapsed=?0"),
        (Forwarded::Bypass, "here; fwd=bypass"),
        (Forwarded::Method, "here; fwd=method"),
    ] {
        let mut headers = HeaderMap::new();
        cache_status(&name, forwarded, &mut headers);
        assert_eq!(headers["cache-status"], member);
        cache_status(&CacheName::new("outer"), Forwarded::Bypass, &mut headers);
        assert_eq!(headers.get_all("cache-status").iter().collect::<Vec<_>>(), [member, "outer; fwd=bypass"]);
    }
}
