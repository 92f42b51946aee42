//! Keys that were once too equal, or not equal enough.

use http::HeaderName;

use super::{FencedPlace, Fences, Recipe, epoch, key, parts, plain, with_content};

#[test]
fn s09_a_field_that_is_named_counts_over_grpc_too() {
    let name = HeaderName::from_static("x-request-id");
    let recipe = Recipe::new().key_header(name.clone());
    let of = |id| with_content(&recipe, &parts("/p.S/M", &[("x-request-id", id)]), b"m").unwrap();
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
fn s21_a_host_has_one_epoch_in_any_case_but_a_key_keeps_it_as_sent() {
    let asked = |uri: &str, host: &str| parts(uri, &[("host", host)]);
    let long = "a".repeat(100);
    for (raised, same) in [("example.org", ["EXAMPLE.org", "example.ORG"]), (&*long, [&*long, &*long.to_uppercase()])] {
        let fences = Fences::seeded();
        fences.raise(FencedPlace::Path(Some(raised.as_bytes()), "/x"));
        let of = |uri: &str, host: &str| epoch(&fences, &asked(uri, host));
        for host in same {
            assert_eq!(of("/x", host), 1, "{host}");
            assert_eq!(of(&format!("http://{host}/x"), raised), 1, "{host}");
        }
        assert_eq!(of("/x", &format!("{raised}a")), 0);
        assert_eq!(of("/X", raised), 0);
    }
    let key = |host| key(&Recipe::new(), &asked("/x", host));
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
