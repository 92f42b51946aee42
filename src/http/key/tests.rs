//! The rules of the key, by number.

use http::{HeaderName, HeaderValue, Request, Version, request::Parts};
use proptest::prelude::*;

use super::{Beside, HttpKey, Recipe, fenced};
use crate::http::{
    fence::{FencedPlace, Fences},
    rule::Rule,
};

mod decoding;
mod encoding;
mod faults;
mod listed;
mod numbered;
mod order;
mod questions;

fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
    let request = fields.iter().fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").into_parts().0
}

fn key(recipe: &Recipe, parts: &Parts) -> Option<HttpKey> {
    recipe.key(parts, Beside::default(), |_, _| Ok(())).ok()
}

/// The key of a request with this content.
fn with_content(recipe: &Recipe, parts: &Parts, content: &[u8]) -> Option<HttpKey> {
    recipe.key(parts, Beside { content: Some(content), ..Beside::default() }, |_, _| Ok(())).ok()
}

/// The rule by which a request has no key.
fn no_key(recipe: &Recipe, parts: &Parts) -> Rule {
    recipe.key(parts, Beside::default(), |_, _| Ok(())).expect_err("there is a key")
}

/// The sum of the epochs of the places that a request lies in.
fn epoch(fences: &Fences, parts: &Parts) -> u64 {
    fenced(fences, parts, false).map_or(0, |(_, epoch)| epoch)
}

fn plain(uri: &str, fields: &[(&str, &str)]) -> Option<HttpKey> {
    key(&Recipe::new(), &parts(uri, fields))
}

#[test]
fn s02_an_authority_in_doubt_has_no_key() {
    for (uri, fields) in [
        ("/x", &[("host", "a"), ("host", "a")][..]),
        ("/x", &[("host", "a, b")]),
        ("/x", &[("host", "user@a")]),
        ("/x", &[("host", "")]),
        ("/x", &[("host", "a:port")]),
        ("/x", &[("host", "[::1")]),
        ("http://a/x", &[("host", "b")]),
        ("http://user@a/x", &[]),
    ] {
        assert_eq!(no_key(&Recipe::new(), &parts(uri, fields)), Rule::S2Target, "{uri} {fields:?}");
    }
    for (uri, fields) in [("/x", &[][..]), ("/x", &[("host", "[::1]:80")]), ("http://A/x", &[("host", "a")])] {
        assert!(plain(uri, fields).is_some(), "{uri} {fields:?}");
    }
}

#[test]
fn s02_host_and_authority_are_one_and_absent_matches_absent_only() {
    let mut second = parts("http://a/x", &[]);
    second.version = Version::HTTP_2;
    assert_eq!(plain("/x", &[("host", "a")]), key(&Recipe::new(), &second));
    assert_ne!(plain("/x", &[("host", "a")]), plain("/x", &[]));
    assert_ne!(plain("/x", &[("host", "a")]), plain("https://a/x", &[]));
    let tls = Recipe::new().default_scheme(http::uri::Scheme::HTTPS);
    assert_eq!(key(&tls, &parts("/x", &[("host", "a")])), key(&tls, &parts("https://a/x", &[])));
}

#[test]
fn s03_parts_are_told_apart_by_kind_and_length() {
    assert_ne!(plain("/x", &[("accept", "a"), ("accept", "b")]), plain("/x", &[("accept", "ab")]));
    assert_ne!(plain("/x", &[("accept", "a")]), plain("/x", &[("accept-language", "a")]));
    assert_ne!(plain("/x?", &[]), plain("/x", &[]));
    let content = |content| with_content(&Recipe::new(), &parts("/x", &[]), content);
    assert_ne!(content(b""), plain("/x", &[]));
    assert_ne!(content(b"a"), content(b"b"));
}

#[test]
fn s21_s02_epochs_and_services_passed_tell_keys_apart() {
    let of = |epoch, passed| {
        let beside = Beside { epoch, passed, ..Beside::default() };
        Recipe::new().key(&parts("/x", &[]), beside, |_, _| Ok(())).expect("a key")
    };
    assert_eq!(of(0, 0), plain("/x", &[]).unwrap());
    assert_eq!(of(1, 1), of(1, 1));
    for (epoch, passed) in [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2)] {
        assert_ne!(of(0, 0), of(epoch, passed), "{epoch} {passed}");
    }
    assert_ne!(of(1, 0), of(0, 1));
}

#[test]
fn s21_a_uri_has_one_epoch_however_it_was_asked_for() {
    let fences = Fences::seeded();
    fences.raise(FencedPlace::Path(Some(b"a"), "/x"));
    let of = |uri: &str, fields: &[(&str, &str)]| epoch(&fences, &parts(uri, fields));
    assert_eq!(of("/x", &[("host", "a"), ("accept", "b")]), of("http://a/x", &[]));
    assert_ne!(of("http://a/x", &[]), 0);
    assert_eq!((of("/y", &[("host", "a")]), of("/x", &[("host", "b")]), of("/x", &[])), (0, 0, 0));
    // Without an authority it is fenced under every one.
    fences.raise(FencedPlace::AnyPath("/y"));
    assert!(of("/y", &[("host", "a")]) > 0 && of("http://b/y", &[]) > 0 && of("/y", &[]) > 0);
}

#[test]
fn s26_a_key_too_long_is_none_and_content_has_a_cap_of_its_own() {
    let recipe = Recipe::new().max_key_bytes(200);
    assert!(key(&recipe, &parts("/x", &[])).is_some());
    assert!(key(&recipe, &parts(&format!("/{}", "x".repeat(200)), &[])).is_none());
    assert_eq!(no_key(&recipe, &parts("/x", &[("x-any", &"x".repeat(200))])), Rule::S26KeyLength);
    assert!(with_content(&recipe, &parts("/x", &[]), &[0; 1000]).is_some());
    // What is not in the key may be as long as it likes.
    assert!(key(&recipe, &parts("/x", &[("user-agent", &"x".repeat(1000))])).is_some());
}

#[test]
fn s27_a_field_that_counts_and_is_not_ascii_has_no_key() {
    // Those of the list count for an odd value; in `baggage` and `forwarded` it is a part of a value that may be.
    for name in ["accept", "x-any", "x_any", "user-agent", "x-request-id", "x-b3-any", "baggage", "forwarded"] {
        let mut odd = parts("/x", &[]);
        odd.headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(b"a=\xff").unwrap());
        assert_eq!(no_key(&Recipe::new(), &odd), Rule::S27Field, "{name}");
    }
    // Another rule looks at it.
    let mut odd = parts("/x", &[]);
    odd.headers.insert("if-none-match", HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(key(&Recipe::new(), &odd).is_some());
}

#[test]
fn s06_cookies_outside_the_grammar_have_no_key() {
    let recipe = Recipe::new().key_cookie("sid");
    let with = |cookie| key(&recipe, &parts("/x", &[("cookie", cookie)]));
    for cookie in ["sid", "sid=1,2", "sid=\"1", "=1", "s id=1", "sid=1\\2"] {
        assert_eq!(no_key(&recipe, &parts("/x", &[("cookie", cookie)])), Rule::S6Cookie, "{cookie}");
    }
    assert_eq!(with("a=1; sid=1"), with("sid=1; b=2"));
    assert_ne!(with("sid=1; sid=2"), with("sid=2; sid=1"));
    assert_ne!(with("a=1"), with("sid="));
    assert!(with("sid=\"1\"").is_some(), "a value may be quoted");
    assert_ne!(with("sid=\"1\""), with("sid=1"));
}

#[test]
fn ignored_parameters_are_left_out_by_the_name_that_was_sent() {
    let recipe = Recipe::new().ignore_query(["utm"]);
    let of = |uri: &str| key(&recipe, &parts(uri, &[]));
    assert_eq!(of("/x?a=1&utm=2&b"), of("/x?utm&a=1&b"));
    assert_eq!(of("/x?utm=1"), of("/x"));
    assert_eq!(of("/x?utm=1&utm=2&utm==&utm"), of("/x"));
    let counted = [
        "/x?UTM=1",
        "/x?%75tm=1",
        "/x?utm=1;a=2",
        "/x?utm2=1",
        "/x?utm=1&amp;a=2",
        "/x?utm[a]=2",
        "/x?+utm=1",
        "/x?=utm",
    ];
    for uri in counted {
        assert_ne!(of(uri), of("/x"), "{uri}");
    }
    assert_ne!(of("/x?a=1&b=2"), of("/x?a=1%26b=2"));
}

#[test]
fn grpc_metadata_counts_unless_it_is_of_one_call() {
    let of = |fields: &[(&str, &str)]| with_content(&Recipe::new(), &parts("/p.S/M", fields), b"m");
    assert_eq!(of(&[("grpc-timeout", "1S"), ("traceparent", "a"), ("te", "trailers")]), of(&[]));
    assert_ne!(of(&[("x-tenant", "1")]), of(&[("x-tenant", "2")]));
    // Credentials send a call alone, or count once that is asked for (S5).
    assert_eq!(of(&[("authorization", "a")]), of(&[("authorization", "b")]));
    assert_eq!(of(&[("a", "1"), ("b", "2")]), of(&[("b", "2"), ("a", "1")]));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let secret = Recipe::new().per_credential();
    let key = key(&secret, &parts("/secret", &[("authorization", "hunter2")]));
    let text = format!("{key:?} {secret:?}");
    assert!(!text.contains("secret") && !text.contains("hunter2"), "{text}");
}

#[cfg(feature = "axum")]
#[test]
fn s02_below_a_nested_router_the_original_uri_counts() {
    let under = |original: &'static str| {
        let mut parts = parts("/items", &[]);
        parts.extensions.insert(axum::extract::OriginalUri(http::Uri::from_static(original)));
        key(&Recipe::new(), &parts)
    };
    assert_ne!(under("/ann/items"), under("/bob/items"));
    assert_eq!(under("/ann/items"), under("/ann/items"));
}

/// A request by what may differ in it, drawn from few values so that equals are common.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    path: String,
    query: Option<String>,
    host: Option<String>,
    fields: Vec<(usize, String)>,
}

const NAMES: [&str; 8] =
    ["accept", "accept-language", "origin", "x-plan", "authorization", "cookie", "user-agent", "x-request-id"];

/// The last of them that counts unasked.
const COUNTED: usize = 3;

fn asked() -> impl Strategy<Value = Asked> {
    let small = "[ab&=]{0,3}";
    (
        "/[ab/]{0,3}",
        prop::option::of(small),
        prop::option::of("[ab]{1,2}"),
        prop::collection::vec((0..NAMES.len(), "[ab, ]{0,2}"), 0..4),
    )
        .prop_map(|(path, query, host, fields)| Asked { path, query, host, fields })
}

impl Asked {
    fn parts(&self) -> Parts {
        let uri = self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path));
        let mut parts = parts("/", &[]);
        parts.uri = uri.parse().expect("a path");
        if let Some(host) = &self.host {
            parts.headers.insert("host", host.parse().expect("a host"));
        }
        for (name, value) in &self.fields {
            parts.headers.append(NAMES[*name], value.parse().expect("a value"));
        }
        parts
    }

    /// What the rules name, in an order of its own.
    fn named(&self) -> impl PartialEq + use<> {
        let lines = |wanted: usize| -> Vec<String> {
            self.fields.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).collect()
        };
        let fields: Vec<_> = (0..NAMES.len()).map(lines).collect();
        (self.path.clone(), self.query.clone(), self.host.clone(), fields)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_equal_just_if_all_that_the_rules_name_is(one in asked(), two in asked()) {
        let named = ["user-agent", "x-request-id"].map(HeaderName::from_static);
        let recipe = named.into_iter().fold(Recipe::new().per_credential(), Recipe::key_header);
        let keys = (key(&recipe, &one.parts()), key(&recipe, &two.parts()));
        prop_assert!(keys.0.is_some() && keys.1.is_some());
        prop_assert_eq!(keys.0 == keys.1, one.named() == two.named());
    }

    #[test]
    fn variants_are_equal_just_if_the_named_fields_are(
        one in asked(),
        mut two in asked(),
        names in prop::collection::vec(0..NAMES.len(), 0..4),
    ) {
        (two.path, two.query, two.host) = (one.path.clone(), one.query.clone(), one.host.clone());
        let recipe = Recipe::new();
        // The same in all that counts.
        two.fields.retain(|(name, _)| *name > COUNTED);
        two.fields.extend(one.fields.iter().filter(|(name, _)| *name <= COUNTED).cloned());
        let (a, b) = (key(&recipe, &one.parts()).unwrap(), key(&recipe, &two.parts()).unwrap());
        prop_assert!(a == b);
        let fields: Vec<_> = names.iter().map(|name| HeaderName::from_static(NAMES[*name])).collect();
        let (first, second) = (one.parts().headers, two.parts().headers);
        let agree = fields.iter().all(|name| first.get_all(name) == second.get_all(name));
        prop_assert_eq!(a.agrees(&b, &fields), agree);
        prop_assert_eq!(a.variant(&fields) == b.variant(&fields), agree);
        prop_assert!(a.variant(&fields) != a);
    }

    #[test]
    fn any_bytes_in_any_field_are_survived(
        fields in prop::collection::vec((0..NAMES.len(), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
    ) {
        let mut parts = parts("/x", &[]);
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                parts.headers.append(NAMES[name], value);
            }
        }
        let recipe = Recipe::new().per_credential().key_cookie("a");
        prop_assert_eq!(key(&recipe, &parts), key(&recipe, &parts));
    }
}
