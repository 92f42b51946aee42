//! Keys that were once too equal, or not equal enough.

use http::HeaderName;

use super::{Metadata, Recipe, parts, plain};

#[test]
fn s09_a_field_that_is_named_counts_over_grpc_too() {
    let name = HeaderName::from_static("x-request-id");
    let recipe = Recipe::new().key_header(name.clone());
    let of = |id| recipe.key(&parts("/p.S/M", &[("x-request-id", id)]), Some(b"m"), Metadata::Grpc, 0).unwrap();
    assert_eq!(of("1"), of("1"));
    // What `covers` promises lets a `Vary` go unchecked.
    assert!(recipe.covers(&name));
    assert_ne!(of("1"), of("2"));
}

#[test]
fn s02_forwarded_counts_wherever_it_stands() {
    let first = |host| plain("/x", &[("forwarded", host), ("host", "a"), ("user-agent", "b")]).unwrap();
    let last = |host| plain("/x", &[("host", "a"), ("user-agent", "b"), ("forwarded", host)]).unwrap();
    assert_ne!(first("host=a"), first("host=b"));
    assert_ne!(last("host=a"), last("host=b"));
    assert_eq!(first("host=a"), last("host=a"));
}

#[test]
fn s21_a_host_has_one_hash_in_any_case_but_a_key_keeps_it_as_sent() {
    let recipe = Recipe::new();
    let asked = |uri: &str, host: &str| parts(uri, &[("host", host)]);
    let hasher = std::hash::RandomState::new();
    let hash = |uri: &str, host: &str| recipe.uri_hash(&asked(uri, host), &hasher);
    assert_eq!(hash("/x", "EXAMPLE.org"), hash("/x", "example.ORG"));
    assert_eq!(hash("http://EXAMPLE.org/x", "example.org"), hash("/x", "example.org"));
    let long = "a".repeat(100);
    assert_eq!(hash("/x", &long), hash("/x", &long.to_uppercase()));
    assert_ne!(hash("/x", &long), hash("/x", &format!("{long}a")));
    assert_ne!(hash("/x", "a"), hash("/X", "a"));
    let key = |host| recipe.key(&asked("/x", host), None, Metadata::Ordinary, 0);
    assert_ne!(key("A"), key("a"));
}

#[cfg(feature = "axum")]
mod original {
    use axum::extract::OriginalUri;

    use super::{super::key, Recipe, parts};

    fn rewritten(original: &'static str, uri: &str, fields: &[(&str, &str)]) -> Option<super::super::HttpKey> {
        let mut parts = parts(uri, fields);
        parts.extensions.insert(OriginalUri(http::Uri::from_static(original)));
        key(&Recipe::new(), &parts)
    }

    #[test]
    fn s02_the_scheme_of_the_original_uri_counts() {
        assert_ne!(rewritten("https://a/t/x", "/x", &[]), rewritten("http://a/t/x", "/x", &[]));
        assert_ne!(rewritten("https://a/t/x", "http://a/x", &[]), rewritten("http://a/t/x", "http://a/x", &[]));
    }

    #[test]
    fn t04_below_a_nested_router_host_and_authority_are_one() {
        let first = rewritten("/t/x", "/x", &[("host", "a")]);
        assert!(first.is_some());
        assert_eq!(first, rewritten("http://a/t/x", "http://a/x", &[]));
        assert_ne!(first, rewritten("https://a/t/x", "https://a/x", &[]));
        assert_ne!(first, rewritten("/t/x", "/x", &[("host", "b")]));
        assert_ne!(first, rewritten("/t/x", "/x", &[]));
        assert_ne!(first, rewritten("http://b/t/x", "http://a/x", &[]));
    }
}
