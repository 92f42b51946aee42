//! The cases of the contract (T12 to T18, T22 to T28, T60), asked of the policy alone.

use http::HeaderMap;

use super::{ALL, RequestFacts, Rule, admit, judge, matching, request, response, verdict};
use crate::http::policy::{Admission, CacheName, Content, Credentials, Forwarded, Policy, follower_head};

#[test]
fn t12_other_methods_go_alone() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let admission = Policy::default().admit(&request(method, &[]), Content::Empty, false);
        assert_eq!(admission, Err(Rule::S1Method), "{method}");
    }
}

#[test]
fn t13_credentials_go_alone_unless_they_are_in_the_key() {
    let keyed = Policy { credentials: Credentials::Keyed, ..Policy::default() };
    for name in ["authorization", "proxy-authorization"] {
        assert_eq!(admit(&[(name, "Bearer a")]), Err(Rule::S5Authorization), "{name}");
        // An empty one is one, too.
        assert_eq!(admit(&[(name, "")]), Err(Rule::S5Authorization), "{name}");
        let admission = keyed.admit(&request("GET", &[(name, "Bearer a")]), Content::Empty, false);
        assert_eq!(admission, Ok(Admission::Coalesce), "{name}");
    }
}

#[test]
fn t14_to_t17_cookies_ranges_and_conditions_go_alone() {
    for (name, value, rule) in [
        ("cookie", "id=1", Rule::S6Cookie),
        ("range", "bytes=0-9", Rule::S11Range),
        ("range", "not a range", Rule::S11Range),
        ("if-range", "\"1\"", Rule::S11Range),
        ("if-none-match", "*", Rule::S12Condition),
        ("if-modified-since", "not a date", Rule::S12Condition),
        ("if-match", "\"1\"", Rule::S12Condition),
        ("if-unmodified-since", "", Rule::S12Condition),
    ] {
        let field = (name, value);
        assert_eq!(admit(&[field]), Err(rule), "{field:?}");
        // Whatever stands before and behind it.
        assert_eq!(admit(&[("accept", "*/*"), field, ("te", "trailers")]), Err(rule), "{field:?}");
    }
}

#[test]
fn t16_only_conditions_that_are_in_the_key_may_coalesce() {
    let keyed = Policy { validators: true, ..Policy::default() };
    for (name, expected) in [
        ("if-none-match", Ok(Admission::Coalesce)),
        ("if-modified-since", Ok(Admission::Coalesce)),
        ("if-match", Err(Rule::S12Condition)),
        ("if-unmodified-since", Err(Rule::S12Condition)),
        ("if-range", Err(Rule::S11Range)),
    ] {
        assert_eq!(keyed.admit(&request("GET", &[(name, "x")]), Content::Empty, false), expected, "{name}");
    }
    let facts = keyed.facts(&request("GET", &[]), false);
    assert_eq!(judge(&keyed, facts, &response(304, &[])).0, Err(Rule::S10Status));
}

#[test]
fn t18_a_reload_leads_and_what_must_not_be_stored_goes_alone() {
    for (lines, expected) in [
        (&["no-store"][..], Err(Rule::S13CacheControl)),
        (&["max-age=60", "no-store"], Err(Rule::S13CacheControl)),
        (&["no-cache", "no-store"], Err(Rule::S13CacheControl)),
        (&["no-cache", "only-if-cached"], Err(Rule::S13CacheControl)),
        (&["no-cache"], Ok(Admission::Reload)),
        (&["max-age=60", "max-age=0"], Ok(Admission::Reload)),
        (&["max-age=60", "no-transform"], Ok(Admission::Coalesce)),
        (&["x=\"no-store, no-cache\""], Ok(Admission::Coalesce)),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
        assert_eq!(admit(&fields), expected, "{lines:?}");
    }
    // A reload that has a reason to go alone does.
    assert_eq!(admit(&[("cache-control", "no-cache"), ("cookie", "a=1")]), Err(Rule::S6Cookie));
}

#[test]
fn t22_a_cookie_is_the_leaders_for_anonymous_followers_too() {
    for fields in [
        &[("set-cookie", "id=1")][..],
        &[("set-cookie", "id=1"), ("set-cookie", "b=2")],
        &[("cache-control", "public, max-age=60"), ("set-cookie", "id=1")],
        &[("set-cookie", "")],
    ] {
        assert_eq!(verdict(200, fields), Err(Rule::S7Personal), "{fields:?}");
    }
    let stripping = Policy { strip_set_cookie: true, ..Policy::default() };
    let mut head = response(200, &[("set-cookie", "id=1"), ("set-cookie", "b=2"), ("etag", "\"1\"")]);
    assert_eq!(judge(&stripping, RequestFacts::default(), &head).0, ALL);
    follower_head(&mut head, &[]);
    assert_eq!(head.headers, response(200, &[("etag", "\"1\"")]).headers);
}

#[test]
fn t23_what_is_private_is_the_leaders_in_any_form() {
    for name in ["cache-control", "cdn-cache-control", "surrogate-control", "x-cdn-cache-control"] {
        for directive in
            ["private", "no-store", "no-cache", "NO-STORE", "private=\"x\"", "no-cache=\"a, b\"", "private=x"]
        {
            assert_eq!(verdict(200, &[(name, directive)]), Err(Rule::S8CacheControl), "{name}: {directive}");
            let second = [(name, "max-age=60"), (name, directive)];
            assert_eq!(verdict(200, &second), Err(Rule::S8CacheControl), "{name}: {directive} in the second line");
            let behind = format!("x=\"\\\",\", {directive}");
            assert_eq!(verdict(200, &[(name, &behind)]), Err(Rule::S8CacheControl), "{name}: {behind}");
        }
        for broken in ["\"private\"", "max-age=60,\"", "x=", "=x", "a=b=c", "x=\"\\", "max-age = 60", "\u{e9}"] {
            assert_eq!(verdict(200, &[(name, broken)]), Err(Rule::S8CacheControl), "{name}: {broken}");
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
        assert_eq!(verdict(200, fields), ALL, "{fields:?}");
    }
}

#[test]
fn t25_t26_t27_a_varying_answer_is_for_those_who_agree() {
    for (lines, expected) in [
        (&["X-Plan"][..], matching(&["x-plan"])),
        (&["X-Plan, x-plan", "X-PLAN"], matching(&["x-plan"])),
        (&["a, b", "c"], matching(&["a", "b", "c"])),
        (&["", " , ,"], ALL),
        (&["a", "*"], Err(Rule::S9Vary)),
        (&["a", "b c"], Err(Rule::S9Vary)),
        (&[":path"], Err(Rule::S9Vary)),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
        assert_eq!(verdict(200, &fields), expected, "{lines:?}");
    }
}

#[test]
fn t28_statuses_of_one_request_are_the_leaders() {
    for status in [206, 304, 401, 403, 407, 429] {
        assert_eq!(verdict(status, &[]), Err(Rule::S10Status), "{status}");
    }
    for status in [404, 301, 410] {
        assert_eq!(verdict(status, &[]), ALL, "{status}");
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
        name.append(forwarded, None, &mut headers);
        assert_eq!(headers["cache-status"], member);
        CacheName::new("outer").append(Forwarded::Bypass, Some(Rule::S11Range.name()), &mut headers);
        assert_eq!(
            headers.get_all("cache-status").iter().collect::<Vec<_>>(),
            [member, "outer; fwd=bypass; detail=S11Range"]
        );
    }
}
