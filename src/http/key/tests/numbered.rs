//! Rules and cases by their numbers.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
};

use http::{HeaderName, HeaderValue, Method};

use super::{Beside, HttpKey, Parts, Recipe, Rule, key, no_key, parts, plain, with_content};

/// Asserts that there are keys, and no two alike.
fn all_differ(keys: impl IntoIterator<Item = Option<HttpKey>>) {
    let keys: Vec<_> = keys.into_iter().map(|key| key.expect("a key")).collect();
    assert!(keys.len() > 1);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
}

fn with_method(method: &str) -> Parts {
    let mut parts = parts("/x", &[]);
    parts.method = Method::from_bytes(method.as_bytes()).expect("a method");
    parts
}

#[test]
fn s04_each_method_has_its_own_keys_and_its_case_counts() {
    all_differ(["GET", "HEAD", "QUERY", "POST", "get", "G"].map(|method| key(&Recipe::new(), &with_method(method))));
}

#[test]
fn t03_scheme_authority_path_case_query_order_and_a_bare_question_mark_tell_apart() {
    all_differ(
        [
            "http://a/x",
            "https://a/x",
            "http://b/x",
            "http://a:80/x",
            "http://a:8080/x",
            "http://a/X",
            "http://a/x/",
            "http://a/%78",
            "http://a/x?",
            "http://a/x?b&c",
            "http://a/x?c&b",
            "http://a/x?b=&c",
            "http://a/x?b&c&",
            "ftp://a/x",
        ]
        .map(|uri| plain(uri, &[])),
    );
}

#[test]
fn t04_requests_with_the_same_path_and_another_host_differ() {
    all_differ(["a", "b", "a:80", "A", "[::1]"].map(|host| plain("/x", &[("host", host)])));
}

#[test]
fn s02_all_lines_of_what_is_negotiated_count_in_order_and_absent_is_not_empty() {
    for name in ["accept", "accept-encoding", "accept-language", "origin"] {
        let one = |values: &[&'static str]| {
            let fields: Vec<_> = values.iter().map(|value| (name, *value)).collect();
            plain("/x", &fields)
        };
        all_differ([&[][..], &[""], &["", ""], &["a"], &["a", "b"], &["b", "a"], &["a, b"], &["a,b"], &["A"]].map(one));
    }
}

#[test]
fn t07_an_identity_that_is_not_there_has_no_key() {
    let recipe = Recipe::new().identity(|parts| parts.extensions.get::<u32>().copied());
    let mut asked = parts("/x", &[]);
    assert_eq!(no_key(&recipe, &asked), Rule::S3NoKey);
    asked.extensions.insert(7_u32);
    assert!(key(&recipe, &asked).is_some());
    // One of two is not enough.
    assert!(key(&recipe.identity(|parts| parts.extensions.get::<u8>().copied()), &asked).is_none());
}

#[test]
fn s25_identities_count_by_type_value_and_place() {
    let of = |recipe: Recipe| key(&recipe, &parts("/x", &[]));
    let new = Recipe::new;
    all_differ([
        of(new()),
        of(new().identity(|_| Some(1_u32))),
        of(new().identity(|_| Some(2_u32))),
        of(new().identity(|_| Some(1_i32))),
        of(new().identity(|_| Some("1"))),
        of(new().identity(|_| Some(()))),
        of(new().identity(|_| Some(1_u32)).identity(|_| Some(2_u32))),
        of(new().identity(|_| Some(2_u32)).identity(|_| Some(1_u32))),
        of(new().identity(|_| Some((1_u32, 2_u32)))),
    ]);
    let same = || of(new().identity(|_| Some(1_u32)));
    assert_eq!(same(), same());
    let hasher = RandomState::new();
    assert_eq!(hasher.hash_one(same()), hasher.hash_one(same()));
}

/// With equal hashes every request would be compared with all that are in flight.
#[test]
fn other_paths_and_other_identities_have_other_hashes() {
    let hasher = RandomState::new();
    let hash = |uri, id: u32| {
        hasher.hash_one(key(&Recipe::new().identity(move |_| Some(id)), &parts(uri, &[])).expect("a key"))
    };
    assert_eq!(HashSet::from([hash("/x", 1), hash("/y", 1), hash("/x", 2)]).len(), 3);
}

#[test]
fn s25_a_variant_keeps_the_identity() {
    let names = [HeaderName::from_static("referer")];
    let of =
        |id: u32| key(&Recipe::new().identity(move |_| Some(id)), &parts("/x", &[])).expect("a key").variant(&names);
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
}

#[test]
fn s26_the_cap_is_exact() {
    let asked = parts("/x?q", &[("host", "a"), ("accept", "b")]);
    let capped = |bytes| key(&Recipe::new().max_key_bytes(bytes), &asked);
    // Method, scheme, authority, path, query; then a field, its name and its line: each with its length, all but the
    // line with a tag.
    let exact = (2 + 3) + (2 + 4) + (2 + 1) + (2 + 2) + (2 + 1) + (2 + 6 + 1 + 1);
    assert_eq!(capped(exact), key(&Recipe::new(), &asked));
    assert!((0..exact).all(|bytes| capped(bytes).is_none()));
}

#[test]
fn s26_no_key_is_longer_than_8_kib_unless_set() {
    let long = |bytes| plain(&format!("/{}", "x".repeat(bytes)), &[]);
    assert!(long(8000).is_some());
    assert!(long(8 << 10).is_none());
}

#[test]
fn s15_content_counts_with_what_says_what_it_is() {
    let of = |content: Option<&[u8]>, fields: &[(&str, &str)]| {
        Recipe::new().key(&parts("/x", fields), Beside { content, ..Beside::default() }, |_, _| Ok(())).ok()
    };
    let body = Some(&b"{}"[..]);
    all_differ([
        of(None, &[]),
        of(Some(b""), &[]),
        of(body, &[]),
        of(body, &[("content-type", "a/b")]),
        of(body, &[("content-type", "a/c")]),
        of(body, &[("content-encoding", "a/b")]),
        of(body, &[("content-language", "a/b")]),
    ]);
    // They count without content too (S27).
    all_differ([of(None, &[("content-type", "a/b")]), of(None, &[("content-type", "a/c")]), of(None, &[])]);
}

#[test]
fn s05_s12_credentials_and_validators_count_once_asked_for() {
    for (recipe, names) in [
        (Recipe::new().per_credential(), &["authorization", "proxy-authorization", "cookie"][..]),
        (Recipe::new().key_validators(), &["if-none-match", "if-modified-since"]),
    ] {
        for name in names {
            let of = |recipe: &Recipe, value| key(recipe, &parts("/x", &[(name, value)]));
            assert_ne!(of(&recipe, "1"), of(&recipe, "2"), "{name}");
            assert_ne!(of(&recipe, "1"), key(&recipe, &parts("/x", &[])), "{name}");
            assert_eq!(of(&recipe, "1"), of(&recipe, "1"), "{name}");
            assert_eq!(of(&Recipe::new(), "1"), of(&Recipe::new(), "2"), "{name}");
        }
    }
}

#[test]
fn more_lines_than_a_few_count_all_and_by_name_not_by_place() {
    let names: Vec<_> = (0..30).map(|i| HeaderName::try_from(format!("x-{i}")).expect("a name")).collect();
    let recipe = Recipe::new();
    for count in [7, 8, 9, 11, 12, 13, 30] {
        let asked = |order: &mut dyn Iterator<Item = usize>, changed: Option<usize>| {
            let mut parts = parts("/x", &[]);
            for i in order {
                let value = if changed == Some(i) { "other" } else { "value" };
                parts.headers.append(&names[i], HeaderValue::from_static(value));
            }
            key(&recipe, &parts)
        };
        let whole = asked(&mut (0..count), None);
        assert!(whole.is_some());
        assert_eq!(whole, asked(&mut (0..count).rev(), None));
        for i in 0..count {
            assert_ne!(whole, asked(&mut (0..count), Some(i)), "{i} of {count}");
            assert_ne!(whole, asked(&mut (0..count).filter(|it| *it != i), None), "{i} of {count}");
        }
    }
}

#[test]
fn a_field_that_connection_lists_counts_over_grpc_all_the_same() {
    // Else a caller could take its own credentials out of the key; HTTP/2 has no such field (RFC 9113, section 8.2.2).
    let of = |user| {
        let fields = [("connection", "x-user"), ("x-user", user)];
        with_content(&Recipe::new(), &parts("/p.S/M", &fields), b"m")
    };
    all_differ([of("ann"), of("bob")]);
}

#[test]
fn s09_a_variant_is_of_its_key_whatever_the_order_of_the_names() {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let fields = [("referer", "a"), ("user-agent", "b")];
    let key = |uri: &str| plain(uri, &fields).expect("a key");
    let variant = |uri: &str, of: &[&'static str]| Some(key(uri).variant(&names(of)));
    assert_eq!(variant("/x", &["referer", "user-agent"]), variant("/x", &["user-agent", "referer"]));
    assert_eq!(variant("/x", &["referer", "user-agent"]), variant("/x", &["user-agent", "referer", "user-agent"]));
    all_differ([
        Some(key("/x")),
        Some(key("/y")),
        variant("/x", &[]),
        variant("/y", &[]),
        variant("/x", &["referer"]),
        variant("/y", &["referer"]),
        variant("/x", &["user-agent"]),
        variant("/x", &["referer", "user-agent"]),
    ]);
    // The fields are still there for another answer with another `Vary`.
    let again = key("/x").variant(&names(&["referer"]));
    assert!(again.agrees(&key("/x"), &names(&["referer", "user-agent"])));
    let other = plain("/x", &[("referer", "a"), ("user-agent", "c")]).expect("a key").variant(&names(&["referer"]));
    assert_eq!(again, other);
    assert_ne!(again.variant(&names(&["user-agent"])), other.variant(&names(&["user-agent"])));
}

#[test]
fn s03_long_requests_are_told_apart_to_the_last_byte() {
    for length in [100, 500, 510, 511, 512, 513, 2000] {
        let of = |last| {
            let long = format!("{}{last}", "x".repeat(length));
            let path = plain(&format!("/{long}"), &[]).expect("a key");
            (
                path,
                plain("/", &[("accept", &long)]).expect("a key"),
                plain("/", &[("user-agent", &long)]).expect("a key"),
            )
        };
        let (a, b) = (of('a'), of('b'));
        assert_eq!(a, of('a'));
        assert_ne!(a.0, b.0);
        assert_ne!(a.1, b.1);
        assert_eq!(a.2, b.2);
        let names = [HeaderName::from_static("user-agent")];
        assert!(!a.2.agrees(&b.2, &names));
        assert_ne!(a.2.variant(&names), b.2.variant(&names));
        assert_eq!(a.2.variant(&names), of('a').2.variant(&names));
    }
}
