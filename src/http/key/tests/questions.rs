//! Two requests that differ in anything the rules name, and two that differ in nothing they name.

use std::hash::BuildHasher;

use http::{HeaderName, HeaderValue, Method, uri::Scheme};
use proptest::prelude::*;

use super::{Beside, HttpKey, Parts, Recipe, parts};

/// All that a key may depend on, drawn from few values so that equals are common.
#[derive(Clone, Debug, PartialEq)]
struct Question {
    method: Method,
    scheme: Option<Scheme>,
    /// A part of the URI if there is a scheme, else `Host`.
    authority: String,
    target: String,
    user: Option<u8>,
    content: Option<Vec<u8>>,
    epoch: u64,
    /// By place in `NAMED`, each with its lines.
    fields: Vec<Vec<String>>,
    sid: Vec<String>,
}

/// What must not matter.
#[derive(Clone, Debug)]
struct Noise {
    lines: Vec<(usize, String)>,
    utm: Option<String>,
    backwards: bool,
}

const NAMED: [&str; 12] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "origin",
    "authorization",
    "proxy-authorization",
    "x-plan",
    "if-none-match",
    "if-modified-since",
    "x-forwarded-host",
    "x-any",
    "sec-fetch-mode",
];

const NOISE: [&str; 6] = ["user-agent", "x-request-id", "referer", "x-b3-any", "x-forwarded-for", "x-own-trace"];

fn question() -> impl Strategy<Value = Question> {
    let line = || prop::sample::select(vec!["", "a", "b", "ab", "a, b"]).prop_map(String::from);
    let lines = || prop::collection::vec(line(), 0..3);
    (
        (
            prop::sample::select(vec![Method::GET, Method::HEAD]),
            prop::sample::select(vec![None, Some(Scheme::HTTP), Some(Scheme::HTTPS)]),
            prop::sample::select(vec!["a", "b", "a:80"]).prop_map(String::from),
            "/[aB/]{0,2}(\\?[ab&=]{0,3})?",
        ),
        (
            prop::option::of(0_u8..2),
            prop::option::of(prop::collection::vec(0_u8..2, 0..2)),
            0_u64..2,
            prop::collection::vec(lines(), NAMED.len()),
            prop::collection::vec("[ab]{0,2}", 0..3),
        ),
    )
        .prop_map(|((method, scheme, authority, target), (user, content, epoch, fields, sid))| Question {
            method,
            scheme,
            authority,
            target,
            user,
            content,
            epoch,
            fields,
            sid,
        })
}

fn noise() -> impl Strategy<Value = Noise> {
    (prop::collection::vec((0..NOISE.len(), "[a-z]{0,5}"), 0..4), prop::option::of("[0-9]{0,2}"), any::<bool>())
        .prop_map(|(lines, utm, backwards)| Noise { lines, utm, backwards })
}

impl Question {
    fn parts(&self, noise: &Noise) -> Parts {
        let mut target = self.target.clone();
        if let Some(utm) = &noise.utm {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str("utm=");
            target.push_str(utm);
        }
        let mut parts = match &self.scheme {
            Some(scheme) => parts(&format!("{scheme}://{}{target}", self.authority), &[]),
            None => parts("/", &[("host", &self.authority)]),
        };
        if self.scheme.is_none() {
            parts.uri = http::uri::PathAndQuery::try_from(target).expect("a target").into();
        }
        parts.method = self.method.clone();
        if let Some(user) = self.user {
            parts.extensions.insert(user);
        }
        let mut fields: Vec<(&str, &[String])> =
            NAMED.into_iter().zip(self.fields.iter().map(|lines| &lines[..])).collect();
        if noise.backwards {
            fields.reverse();
        }
        let mut add = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).expect("a value");
            parts.headers.append(HeaderName::from_static(name), value);
        };
        for (name, value) in &noise.lines {
            add(NOISE[*name], value);
        }
        for (name, lines) in fields {
            lines.iter().for_each(|line| add(name, line));
        }
        for sid in &self.sid {
            add("cookie", &format!("x={}; sid={sid}", noise.lines.len()));
        }
        parts
    }

    fn key(&self, noise: &Noise) -> Option<HttpKey> {
        let recipe = Recipe::new()
            .key_validators()
            .key_header(HeaderName::from_static("authorization"))
            .key_header(HeaderName::from_static("proxy-authorization"))
            .key_cookie("sid")
            .ignore_header("x-own-*")
            .ignore_query(["utm"])
            .identity(|parts| Some(parts.extensions.get::<u8>().copied()));
        let beside = Beside { content: self.content.as_deref(), epoch: self.epoch, passed: 0, ..Beside::default() };
        recipe.key(&self.parts(noise), beside, |_, _| Ok(())).ok()
    }

    /// A request without a scheme asks for what it would ask for over `http`.
    fn named(&self) -> Self {
        Self { scheme: Some(self.scheme.clone().unwrap_or(Scheme::HTTP)), ..self.clone() }
    }

    /// Takes one thing over from another question.
    fn take(&mut self, other: &Self, what: usize) {
        match what {
            0 => self.method = other.method.clone(),
            1 => self.scheme = other.scheme.clone(),
            2 => self.authority = other.authority.clone(),
            3 => self.target = other.target.clone(),
            4 => self.user = other.user,
            5 => self.content = other.content.clone(),
            6 => self.epoch = other.epoch,
            7 => self.sid = other.sid.clone(),
            _ => self.fields[what - 8] = other.fields[what - 8].clone(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_difference_in_one_thing_that_is_named_makes_another_key(
        one in question(), other in question(), what in 0..8 + NAMED.len(), a in noise(), b in noise(),
    ) {
        let mut two = one.clone();
        two.take(&other, what);
        let (first, second) = (one.key(&a), two.key(&b));
        prop_assert!(first.is_some() && second.is_some());
        prop_assert_eq!(first == second, one.named() == two.named());
    }

    #[test]
    fn what_is_not_named_makes_no_difference(question in question(), a in noise(), b in noise()) {
        let (first, second) = (question.key(&a), question.key(&b));
        prop_assert!(first.is_some());
        prop_assert!(first == second);
        let hasher = std::hash::RandomState::new();
        prop_assert_eq!(hasher.hash_one(&first), hasher.hash_one(&second));
    }
}
