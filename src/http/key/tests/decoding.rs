//! What is written of a request reads back, each part by its name.

use http::{HeaderValue, request::Parts};
use proptest::prelude::*;

use super::{
    super::{
        Beside, HttpKey, Recipe,
        decode::{KeyPart, Parts as Read},
        difference::Difference,
        encode::{Tag, Written},
    },
    parts,
};

/// Writes parts as the recipe does.
fn written(parts: &[KeyPart<'_>]) -> Vec<u8> {
    let mut written = Written::new();
    for part in parts {
        match part {
            KeyPart::One(tag, value) => written.part(*tag, value),
            KeyPart::Line { name, value } => {
                written.part(Tag::Field, name);
                written.counted(value);
            }
            KeyPart::Many { tag, name, values } => written.values(*tag, name, || values.iter().copied()),
            KeyPart::Forwarded { name, gateway, value } => {
                written.part(Tag::Forwarded, name);
                written.length(*gateway);
                written.counted(value);
            }
            KeyPart::Gateways(gateways) => {
                written.raw(&[Tag::Gateways as u8]);
                written.length(*gateways);
            }
        }
    }
    written.bytes().to_vec()
}

/// Reads a key, as a whole.
fn read(bytes: &[u8]) -> Vec<KeyPart<'_>> {
    let mut read = Read::of(bytes);
    let parts = read.by_ref().collect();
    assert!(read.rest().is_empty(), "cannot be read: {:?}", read.rest());
    parts
}

/// All that a recipe may be told, each or not.
#[derive(Clone, Copy, Debug)]
struct Told([bool; 6]);

impl Told {
    fn recipe(self) -> Recipe {
        let Self([credentials, cookie, query, cache_control, identity, users]) = self;
        let recipe = Recipe::new();
        let recipe = if credentials { recipe.per_credential() } else { recipe };
        let recipe = if cookie { recipe.key_cookie("a").key_cookie("b") } else { recipe };
        let recipe = if query { recipe.ignore_query(["a"]) } else { recipe };
        let recipe = if cache_control {
            recipe.key_header(http::header::CACHE_CONTROL).key_header("baggage".parse().expect("a name"))
        } else {
            recipe
        };
        let recipe = if identity { recipe.identity(|parts| Some(parts.uri.path().len())) } else { recipe };
        if users { recipe.key_fn(|parts| Some(parts.uri.path().to_owned())) } else { recipe }
    }
}

const FIELDS: [(&str, &[&str]); 9] = [
    ("host", &["a", "b"]),
    ("accept", &["", "x", "y"]),
    ("authorization", &["ann", "bob"]),
    ("cookie", &["a=1", "b=2; a=3", "c=4", "b=2;c=5"]),
    ("cache-control", &["no-transform", "max-age=3, x", "x,no-transform"]),
    ("baggage", &["k=v", "k=v,sentry-a=1", "l=w"]),
    ("forwarded", &["host=a", "host=b;proto=http, for=1", "=x, =", "for=\"a|b\""]),
    ("user-agent", &["curl", "<odd>"]),
    ("grpc-timeout", &["1S"]),
];

const URIS: [&str; 8] = ["/", "/x", "/x?", "/x?a=1&b=2", "/x?b=2&a=1", "/x?c&b=&b=2", "http://a/x", "https://a/x?a=2"];

/// A request, and what stands beside it in its key.
#[derive(Clone, Debug)]
struct Asked {
    method: usize,
    uri: usize,
    original: Option<usize>,
    fields: Vec<(usize, usize)>,
    content: Option<Vec<u8>>,
    epoch: u64,
    above: Option<Box<Asked>>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let content = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..300));
    let fields = prop::collection::vec((0..FIELDS.len(), 0..4_usize), 0..6);
    let one = (0..2_usize, 0..URIS.len(), prop::option::weighted(0.2, 0..URIS.len()), fields, content, 0..3_u64);
    let one = one.prop_map(|(method, uri, original, fields, content, epoch)| Asked {
        method,
        uri,
        original,
        fields,
        content,
        epoch,
        above: None,
    });
    (one.clone(), prop::option::weighted(0.2, one))
        .prop_map(|(asked, above)| Asked { above: above.map(Box::new), ..asked })
}

/// Lets it look as below a router that has rewritten the URI.
fn insert_original(parts: &mut Parts, uri: &'static str) {
    #[cfg(feature = "axum")]
    parts.extensions.insert(axum::extract::OriginalUri(http::Uri::from_static(uri)));
    #[cfg(not(feature = "axum"))]
    let _ = (parts, uri);
}

impl Asked {
    fn parts(&self) -> Parts {
        let mut parts = parts(URIS[self.uri], &[]);
        parts.method = [http::Method::GET, http::Method::HEAD][self.method].clone();
        if let Some(original) = self.original {
            insert_original(&mut parts, URIS[original]);
        }
        for (name, value) in &self.fields {
            let (name, values) = FIELDS[*name];
            let value = HeaderValue::from_static(values[value % values.len()]);
            if name == "host" {
                parts.headers.insert(name, value);
            } else {
                parts.headers.append(name, value);
            }
        }
        parts
    }

    fn key(&self, recipe: &Recipe) -> Option<HttpKey> {
        let above = self.above.as_ref().and_then(|above| above.key(recipe));
        let beside = Beside {
            content: self.content.as_deref(),
            epoch: self.epoch,
            passed: u32::from(self.above.is_some()),
            above: above.as_ref(),
        };
        recipe.key(&self.parts(), beside, |_, _| Ok(())).ok()
    }
}

fn told() -> impl Strategy<Value = Told> {
    prop::array::uniform6(prop::bool::weighted(0.3)).prop_map(Told)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s03_a_key_reads_back_as_what_it_was_written_from(asked in asked(), told in told()) {
        let Some(key) = asked.key(&told.recipe()) else { return Ok(()) };
        for key in [key.variant(&[http::header::USER_AGENT, http::header::ACCEPT]), key] {
            prop_assert_eq!(written(&read(key.parts())), key.parts());
        }
    }

    #[test]
    fn two_keys_differ_just_in_what_is_named(one in asked(), two in asked(), told in told()) {
        let recipe = told.recipe();
        let (Some(a), Some(b)) = (one.key(&recipe), two.key(&recipe)) else { return Ok(()) };
        let found = a.differences(&b);
        prop_assert_eq!(found.is_empty(), a == b);
        prop_assert!(!found.contains(&Difference::Other), "{:?}", found);
        let named: std::collections::HashSet<_> = found.iter().collect();
        prop_assert_eq!(named.len(), found.len(), "each is named once: {:?}", found);
        prop_assert_eq!(found.contains(&Difference::Method), one.method != two.method);
        prop_assert_eq!(found.contains(&Difference::Content), one.content != two.content);
        prop_assert_eq!(&b.differences(&a), &found);
    }

    #[test]
    fn what_is_no_key_is_read_up_to_where_it_ceases_to_be_one(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut read = Read::of(&bytes);
        let mut again = written(&read.by_ref().collect::<Vec<_>>());
        again.extend_from_slice(read.rest());
        // A number may be written longer than it need be.
        prop_assert!(again.len() <= bytes.len());
    }
}
