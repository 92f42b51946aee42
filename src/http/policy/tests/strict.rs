//! What is malformed, contradictory or of one caller only goes to nobody else.

use http::{HeaderName, Method};
use proptest::prelude::*;

use super::{ALL, RequestFacts, Rule, admit, judge, matching, request, response, verdict};
use crate::http::policy::{Admission, Content, Credentials, Policy, vary::vary};

#[test]
fn s14_connect_goes_alone_even_if_it_is_opted_in() {
    let policy = Policy { methods: vec![Method::CONNECT], ..Policy::default() };
    for opted_in in [false, true] {
        let admission = policy.admit(&request("CONNECT", &[]), Content::Empty, opted_in);
        assert_eq!(admission, Err(Rule::S1Method));
    }
}

#[test]
fn s13_an_age_that_is_no_number_is_zero() {
    for line in ["max-age=x", "max-age=-1", "max-age=\"\"", "max-age=1.5", "max-age=5, max-age=x"] {
        assert_eq!(admit(&[("cache-control", line)]), Ok(Admission::Reload), "{line}");
    }
    for line in ["max-age=1", "max-age=\"60\"", "max-age=99999999999999999999999", "max-stale", "min-fresh=x"] {
        assert_eq!(admit(&[("cache-control", line)]), Ok(Admission::Coalesce), "{line}");
    }
}

#[test]
fn s13_a_pragma_that_is_not_in_order_is_a_reload() {
    for line in ["no-cache;x", "no-cache=\"x", "no-cache x", "x, NO-CACHE=y"] {
        assert_eq!(admit(&[("pragma", line)]), Ok(Admission::Reload), "{line}");
    }
    for line in ["", "x=\"no-cache\"", "x-no-cache", "no-caches"] {
        assert_eq!(admit(&[("pragma", line)]), Ok(Admission::Coalesce), "{line}");
    }
}

/// RFC 9111, section 3.5: "the cache conforms to the requirements of that directive", which are to ask again once it is
/// stale.
#[test]
fn s05_an_authorized_answer_that_is_stale_on_arrival_and_must_be_revalidated_is_the_leaders() {
    let policy = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    let facts = policy.facts(&request("GET", &[("authorization", "a")]), false);
    let judge = |fields: &[(&str, &str)]| judge(&policy, facts, &response(200, fields)).0;
    for line in [
        "must-revalidate, max-age=0",
        "max-age=0, must-revalidate",
        "s-maxage=0",
        "s-maxage=0, max-age=60",
        "public, max-age=0, must-revalidate",
        "public, max-age=0, proxy-revalidate",
        "must-revalidate, max-age=x",
        "must-revalidate, max-age=60, max-age=0",
    ] {
        assert_eq!(judge(&[("cache-control", line)]), Err(Rule::S5Authorization), "{line}");
    }
    for line in ["public, max-age=0", "must-revalidate, max-age=1", "s-maxage=60, max-age=0", "s-maxage=\"60\""] {
        assert_eq!(judge(&[("cache-control", line)]), ALL, "{line}");
    }
    for (age, shared) in [("59", true), ("60", false), ("61", false), ("x", false), ("-1", false), ("", false)] {
        let verdict = judge(&[("age", age), ("cache-control", "must-revalidate, max-age=60")]);
        assert_eq!(verdict == ALL, shared, "{age}");
    }
    let expires = ("expires", "Mon, 23 Nov 2026 12:00:00 GMT");
    assert_eq!(judge(&[expires, ("cache-control", "must-revalidate")]), Err(Rule::S5Authorization));
    assert_eq!(judge(&[expires, ("cache-control", "must-revalidate, max-age=60")]), ALL);
    // D5 stays as it is for the others.
    assert_eq!(verdict(200, &[("cache-control", "max-age=0, must-revalidate")]), ALL);
}

#[test]
fn s05_a_permission_that_is_malformed_permits_nothing() {
    let policy = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    let facts = policy.facts(&request("GET", &[("authorization", "a")]), false);
    for line in ["public=no", "public=\"x\"", "s-maxage", "s-maxage=x", "s-maxage=-1", "must-revalidate=x"] {
        let head = response(200, &[("cache-control", line)]);
        assert_eq!(judge(&policy, facts, &head).0, Err(Rule::S5Authorization), "{line}");
    }
}

#[test]
fn s09_a_star_within_a_name_is_taken_for_a_star() {
    for line in ["accept*", "**", "x-*, accept", "accept, *x"] {
        assert_eq!(verdict(200, &[("vary", line)]), Err(Rule::S9Vary), "{line}");
    }
}

#[test]
fn s09_more_names_than_anyone_means_are_the_leaders() {
    let line = |names: usize| (0..names).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
    let Ok(names) = verdict(200, &[("vary", &line(64))]) else { panic!("64 names can be compared") };
    assert_eq!(names.len(), 64);
    assert_eq!(verdict(200, &[("vary", &line(65))]), Err(Rule::S9Vary));
    let halves = [line(40), line(80)];
    assert_eq!(verdict(200, &[("vary", &halves[0]), ("vary", &halves[1])]), Err(Rule::S9Vary));
    // The same name is one name, however often it stands there.
    assert_eq!(verdict(200, &[("vary", &["accept"; 100].join(","))]), matching(&["accept"]));
}

#[test]
fn s10_a_part_is_no_whole_whatever_the_status_says() {
    for value in ["multipart/byteranges; boundary=x", "Multipart/ByteRanges;boundary=x", " multipart/byteranges"] {
        assert_eq!(verdict(200, &[("content-type", value)]), Err(Rule::S10Status), "{value}");
    }
    for value in ["multipart/mixed; boundary=x", "text/plain; x=multipart/byteranges", "multipart/byteranges-x"] {
        assert_eq!(verdict(200, &[("content-type", value)]), ALL, "{value}");
    }
}

#[test]
fn s10_statuses_without_a_meaning_of_their_own_are_the_leaders() {
    for status in [226, 600, 700, 999] {
        assert_eq!(verdict(status, &[("cache-control", "public, max-age=60")]), Err(Rule::S10Status), "{status}");
    }
}

#[test]
fn s10_a_lifetime_is_a_number_or_a_date_and_public_stands_for_one() {
    for (name, value, shared) in [
        ("cache-control", "max-age=0", true),
        ("cache-control", "s-maxage=1", true),
        ("cache-control", "public", true),
        ("cache-control", "max-age", false),
        ("cache-control", "max-age=x", false),
        ("cache-control", "max-age=\"\"", false),
        ("cache-control", "public=x", false),
        ("expires", "Thu, 19 Nov 1981 08:52:00 GMT", true),
        ("expires", "0", false),
        ("expires", "Mon, 23 Nov 2026 12:00:00 CET", false),
        ("expires", "-1", false),
        ("expires", "", false),
        ("cdn-cache-control", "max-age=60", false),
    ] {
        assert_eq!(verdict(302, &[(name, value)]) == ALL, shared, "{name}: {value}");
        assert_eq!(verdict(200, &[(name, value)]), ALL, "{name}: {value}");
    }
}

/// What stands in a well-formed `Vary`, not in lower case throughout.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z][A-Za-z0-9-]{0,8}", Just(String::new())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_name_of_a_vary_is_compared(
        lines in prop::collection::vec(prop::collection::vec(name(), 0..5), 0..4),
        space in "[ \t]{0,2}",
    ) {
        let values: Vec<_> = lines.iter().map(|names| names.join(&format!("{space},{space}"))).collect();
        let fields: Vec<_> = values.iter().map(|value| ("vary", &**value)).collect();
        let mut named: Vec<HeaderName> = Vec::new();
        for name in lines.iter().flatten().filter(|name| !name.is_empty()) {
            let name = name.parse().expect("a field name");
            if !named.contains(&name) {
                named.push(name);
            }
        }
        let expected = if named.is_empty() { ALL } else { Ok(named) };
        prop_assert_eq!(verdict(200, &fields), expected);
    }

    #[test]
    fn a_star_anywhere_in_a_vary_is_the_leaders(
        mut lines in prop::collection::vec(prop::collection::vec(name(), 0..5), 1..4),
        line in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let line = line.index(lines.len());
        let at = at.index(lines[line].len() + 1);
        lines[line].insert(at, "*".to_owned());
        let values: Vec<_> = lines.iter().map(|names| names.join(", ")).collect();
        let fields: Vec<_> = values.iter().map(|value| ("vary", &**value)).collect();
        prop_assert_eq!(verdict(200, &fields), Err(Rule::S9Vary));
    }

    #[test]
    fn bytes_that_name_no_field_are_not_read_as_none(line in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut names = Vec::new();
        if vary(&line, &mut names).is_some() {
            let elements = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
            for element in elements {
                prop_assert!(names.iter().any(|name| name.as_str().as_bytes().eq_ignore_ascii_case(element)));
            }
        }
    }

    #[test]
    fn what_is_asked_with_credentials_needs_a_permission(line in "[ -~]{0,40}") {
        let policy = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
        let facts = policy.facts(&request("GET", &[("authorization", "a")]), false);
        if judge(&policy, facts, &response(200, &[("cache-control", &line)])).0.is_ok() {
            let line = line.to_ascii_lowercase();
            prop_assert!(["public", "s-maxage", "must-revalidate"].iter().any(|name| line.contains(name)), "{}", line);
        }
        prop_assert_eq!(judge(&policy, facts, &response(200, &[])).0, Err(Rule::S5Authorization));
        prop_assert_eq!(judge(&policy, RequestFacts::default(), &response(200, &[])).0, matching(&["authorization"]));
    }
}
