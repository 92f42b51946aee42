//! The rules of the policy, by number; the parsers, with anything.

mod answers;
mod cases;
mod failing;
mod personal;
mod requests;
mod strict;

use http::{HeaderName, HeaderValue, Request, Response, header, request, response};
use proptest::prelude::*;

use super::{
    Admission, Again, AnswerHead, Content, Policy, RequestFacts, directives::directives, follower_head, vary::vary,
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
