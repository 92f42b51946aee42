//! Who gets an answer that may be due to one request: S28, S30, D4, D9.

use http::{Version, header::AUTHORIZATION};

use super::{ALL, Again, AnswerHead, Policy, RequestFacts, Rule, judge, matching, request, response};
use crate::http::policy::{Credentials, GrpcVerdict};

fn of(facts: RequestFacts, status: u16, fields: &[(&str, &str)]) -> (super::Share, Again) {
    judge(&Policy::default(), facts, &response(status, fields))
}

fn facts(deadline: bool) -> RequestFacts {
    Policy::default().facts(&request("GET", &[]), deadline)
}

#[test]
fn d9_an_answer_that_may_be_due_to_the_leaders_own_request_lets_others_try_again() {
    for status in [400, 401, 403, 407, 408, 411, 412, 413, 414, 415, 416, 417, 421, 425, 426, 428, 429, 431, 505, 508] {
        // Before S10 and S8 apply, whatever the answer says of its lifetime.
        for fields in [&[][..], &[("cache-control", "public, max-age=60")], &[("cache-control", "no-store")]] {
            assert_eq!(of(facts(false), status, fields).1, Again::Always, "{status} {fields:?}");
        }
        for (field, rule) in [
            (("set-cookie", "a=1"), Rule::S7Personal),
            (("dpop-nonce", "1"), Rule::S7Personal),
            (("cache-control", "private"), Rule::S8CacheControl),
            (("cache-control", "a b"), Rule::S8CacheControl),
            (("vary", "*"), Rule::S9Vary),
        ] {
            assert_eq!(of(facts(false), status, &[field]), (Err(rule), Again::Never), "{status} {field:?}");
        }
    }
    for status in [200, 204, 206, 301, 302, 304, 402, 404, 405, 406, 409, 410, 422, 451] {
        assert_eq!(of(facts(false), status, &[]).1, Again::Never, "{status}");
    }
}

#[test]
fn d9_who_agrees_in_what_varies_tries_again() {
    let verdict = Policy::default().verdict(
        RequestFacts::default(),
        AnswerHead { head: &response(401, &[("vary", "user-agent")]), has_length: true },
    );
    assert_eq!((verdict.share, verdict.again), (Err(Rule::S10Status), Again::Always));
    assert_eq!(Ok(verdict.names), matching(&["user-agent"]));
}

#[test]
fn d9_d4_a_failure_reaches_those_who_waited_and_lets_the_late_try_again() {
    for status in [500, 501, 502, 503, 504, 506, 507, 599] {
        assert_eq!(of(facts(false), status, &[]), (ALL, Again::IfLate), "{status}");
        // Error pages say this of storing, and nothing is stored.
        for line in ["no-store", "no-cache", "no-cache, no-store, must-revalidate, max-age=0", "No-Cache=\"x\""] {
            for name in ["cache-control", "cdn-cache-control", "surrogate-control"] {
                assert_eq!(of(facts(false), status, &[(name, line)]), (ALL, Again::IfLate), "{status} {name}: {line}");
            }
        }
        for line in ["private", "no-store, private", "private=\"x\", no-cache"] {
            let judged = of(facts(false), status, &[("cache-control", line)]);
            assert_eq!(judged, (Err(Rule::S8CacheControl), Again::Never), "{status} {line}");
        }
        let strict = Policy { share_server_errors: false, ..Policy::default() };
        assert_eq!(judge(&strict, facts(false), &response(status, &[])).1, Again::Never, "{status}");
    }
    assert_eq!(of(facts(false), 511, &[]).0, Err(Rule::S10Status));
    assert_eq!(of(facts(false), 499, &[]).1, Again::IfLate);
}

#[test]
fn s28_what_may_be_due_to_the_leaders_deadline_reaches_nobody_else() {
    for status in [408, 499, 504] {
        assert_eq!(of(facts(true), status, &[]).0, Err(Rule::S28Deadline), "{status}");
        assert_ne!(of(facts(true), status, &[]).1, Again::Never, "{status}");
    }
    for status in [200, 404, 500, 502, 503] {
        assert_eq!(of(facts(true), status, &[]).0, ALL, "{status}");
    }
    assert_eq!(of(facts(false), 504, &[]).0, ALL);
    for status in ["1", "4", "8"] {
        assert_eq!(
            of(facts(true), 200, &[("grpc-status", status)]),
            (Err(Rule::S28Deadline), Again::IfLate),
            "{status}"
        );
    }
}

#[test]
fn s28_an_error_of_the_service_is_everybodys_unless_the_leader_had_a_deadline() {
    let of = |policy: &Policy, deadline| {
        let verdict = policy.verdict_on_error(facts(deadline));
        (verdict.share, verdict.again)
    };
    assert_eq!(of(&Policy::default(), false), (Ok(()), Again::IfLate));
    assert_eq!(of(&Policy::default(), true), (Err(Rule::S28Deadline), Again::IfLate));
    let strict = Policy { share_server_errors: false, ..Policy::default() };
    assert_eq!(of(&strict, false), (Err(Rule::D4Failure), Again::Never));
}

/// A gRPC status in the head means what it means in the trailers.
#[test]
fn s28_d4_grpc_statuses() {
    for (status, share, again) in [
        ("0", ALL, Again::Never),
        ("1", Err(Rule::S10Status), Again::Always),
        ("2", ALL, Again::IfLate),
        ("3", ALL, Again::Never),
        ("4", Err(Rule::S10Status), Again::Always),
        ("5", ALL, Again::Never),
        ("6", ALL, Again::Never),
        ("7", Err(Rule::S10Status), Again::Always),
        ("8", Err(Rule::S10Status), Again::Always),
        ("9", ALL, Again::Never),
        ("10", ALL, Again::IfLate),
        ("11", ALL, Again::Never),
        ("12", ALL, Again::Never),
        ("13", ALL, Again::IfLate),
        ("14", ALL, Again::IfLate),
        ("15", ALL, Again::IfLate),
        ("16", Err(Rule::S10Status), Again::Always),
        ("x", ALL, Again::Never),
    ] {
        assert_eq!(of(facts(false), 200, &[("grpc-status", status)]), (share.clone(), again), "{status}");
        let policy = Policy::default();
        let in_trailers = policy.grpc_verdict(facts(false), status.as_bytes());
        let in_trailers = in_trailers.map_or((None, Again::Never), |GrpcVerdict { rule, again, .. }| (rule, again));
        assert_eq!(in_trailers, (share.clone().err(), again), "{status}");
        // D4: what is a failure is the leader's alone, if the layer was told so, and all others stay as they are.
        let strict = Policy { share_server_errors: false, ..policy };
        let strictly = judge(&strict, facts(false), &response(200, &[("grpc-status", status)]));
        let failed = again == Again::IfLate;
        let expected = if failed { (Err(Rule::D4Failure), Again::Never) } else { (share, again) };
        assert_eq!(strictly, expected, "{status}");
    }
}

#[test]
fn s30_a_leader_of_http_1_0_shares_answers_of_known_length_only() {
    for (version, has_length, expected) in [
        (Version::HTTP_09, false, (Err(Rule::S30Http10), Again::Always)),
        (Version::HTTP_10, false, (Err(Rule::S30Http10), Again::Always)),
        (Version::HTTP_10, true, (Ok(()), Again::Never)),
        (Version::HTTP_11, false, (Ok(()), Again::Never)),
        (Version::HTTP_2, false, (Ok(()), Again::Never)),
    ] {
        let mut parts = request("GET", &[]);
        parts.version = version;
        let policy = Policy::default();
        let verdict = policy.verdict(policy.facts(&parts, false), AnswerHead { head: &response(200, &[]), has_length });
        assert_eq!((verdict.share, verdict.again), expected, "{version:?} {has_length}");
    }
}

#[test]
fn s05_a_second_try_is_for_those_without_credentials_too() {
    let policy = Policy { credentials: Credentials::ByResponse, ..Policy::default() };
    let verdict = policy.verdict(RequestFacts::default(), AnswerHead { head: &response(503, &[]), has_length: true });
    assert_eq!((verdict.share, verdict.names), (Ok(()), vec![AUTHORIZATION]));
}
