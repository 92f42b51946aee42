//! Whatever two requests are, and whatever the layer was told: they meet on one flight just if `explain` says so.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, Version, header, request::Parts};
use http_body_util::Full;
use proptest::prelude::*;
use tokio_test::task::spawn;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{Asked, ContentBody, Contents, Difference, Explanation, Heads, HttpContent, HttpSingleflight},
};

use crate::origin::{Answer, Origin, RequestBody};

/// Each has a few values, of which some send their request alone.
const FIELDS: [(&str, &[&str]); 15] = [
    ("host", &["a", "b"]),
    ("accept", &["x", "y"]),
    ("accept-language", &["de", "en", "e\u{301}"]),
    ("authorization", &["ann", "bob"]),
    ("cookie", &["a=1", "b=2; a=3", "_ga=4", "odd"]),
    ("cache-control", &["no-transform", "no-cache", "max-age=0", "no-store"]),
    ("pragma", &["no-cache"]),
    ("baggage", &["k=v", "k=w,sentry-a=1"]),
    ("forwarded", &["host=a", "host=b;proto=http, for=1"]),
    ("user-agent", &["curl", "wget", "<odd>"]),
    ("if-none-match", &["\"1\"", "\"2\""]),
    ("range", &["bytes=0-1"]),
    ("x-user", &["ann", "bob"]),
    ("x-http-method-override", &["GET"]),
    ("connection", &["close", "x-any"]),
];

const URIS: [&str; 9] =
    ["/", "/x", "/x?", "/x?a=1&b=2", "/x?b=2&a=1", "/x?c&b=&b=2", "http://a/x", "https://a/x?a=2", "http://b/x"];

const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];

const OPTIONS: usize = 9;

#[derive(Clone, Debug)]
struct Drawn {
    parts: Parts,
    content: Bytes,
}

/// Mostly requests that differ in little.
fn pair() -> impl Strategy<Value = (Drawn, Drawn)> {
    let fields = |most| prop::collection::vec((0..FIELDS.len(), 0..4_usize), 0..most);
    let rest = || {
        (
            prop_oneof![6 => Just(0_usize), 1 => 1..METHODS.len()],
            0..URIS.len(),
            prop::option::weighted(0.2, 0..URIS.len()),
            prop_oneof![4 => Just(""), 1 => Just("rows"), 1 => Just("more than fits")],
            prop::bool::weighted(0.1),
        )
    };
    let same = prop::array::uniform4(prop::bool::weighted(0.8));
    (fields(4), fields(2), fields(2), rest(), rest(), same).prop_map(|(common, a, b, rest, other, same)| {
        let [method, uri, original, content] = same;
        let b_rest = (
            if method { rest.0 } else { other.0 },
            if uri { rest.1 } else { other.1 },
            if original { rest.2 } else { other.2 },
            if content { rest.3 } else { other.3 },
            other.4,
        );
        (drawn(rest, common.iter().chain(&a)), drawn(b_rest, common.iter().chain(&b)))
    })
}

fn drawn<'a>(
    (method, uri, original, content, old): (usize, usize, Option<usize>, &'static str, bool),
    fields: impl Iterator<Item = &'a (usize, usize)>,
) -> Drawn {
    let mut parts = Request::get(URIS[uri]).body(()).expect("a request").into_parts().0;
    parts.method = METHODS[method].clone();
    parts.version = if old { Version::HTTP_10 } else { Version::HTTP_11 };
    if let Some(original) = original {
        insert_original(&mut parts, URIS[original]);
    }
    for (name, value) in fields {
        let (name, values) = FIELDS[*name];
        let value = HeaderValue::from_bytes(values[value % values.len()].as_bytes()).expect("a value");
        // Two hosts are one rule among many.
        if name == "host" {
            parts.headers.insert(name, value);
        } else {
            parts.headers.append(name, value);
        }
    }
    Drawn { parts, content: Bytes::from_static(content.as_bytes()) }
}

/// Lets it look as below a router that has rewritten the URI.
fn insert_original(parts: &mut Parts, uri: &'static str) {
    #[cfg(feature = "axum")]
    parts.extensions.insert(axum::extract::OriginalUri(Uri::from_static(uri)));
    #[cfg(not(feature = "axum"))]
    let _ = (parts, uri);
}

fn layer(options: [bool; OPTIONS]) -> HttpSingleflightLayer {
    let with = |layer, at: usize, change: fn(HttpSingleflightLayer) -> HttpSingleflightLayer| {
        if options[at] { change(layer) } else { layer }
    };
    let mut layer = HttpSingleflightLayer::new();
    layer = with(layer, 0, HttpSingleflightLayer::per_credential);
    layer = with(layer, 1, |layer| layer.key_cookies(["a"]));
    layer = with(layer, 2, |layer| layer.ignore_query(["a"]));
    layer = with(layer, 3, |layer| layer.methods([Method::POST]));
    layer = with(layer, 4, HttpSingleflightLayer::key_validators);
    layer = with(layer, 5, |layer| layer.identity(|parts| parts.headers.get("x-user").cloned()));
    layer = with(layer, 6, |layer| layer.key_header(header::USER_AGENT).ignore_headers(["accept*"]));
    layer = with(layer, 7, |layer| layer.coalesce_if(|parts| parts.uri.path() != "/"));
    with(layer, 8, |layer| layer.key_fn(|parts| Some(parts.uri.path().to_owned())))
}

/// Sends both, one behind the other, and returns whether the second one had no call of its own.
fn meet<C, B, F>(layer: &HttpSingleflightLayer<C>, first: &Drawn, second: &Drawn) -> bool
where
    C: HttpContent + Clone,
    C::Service<HttpSingleflight<Origin<B>>>: Service<Request<RequestBody>, Future = F>,
    F: Future<Output = Answer>,
    B: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _entered = runtime.enter();
    let (sender, mut held) = tokio::sync::mpsc::unbounded_channel();
    // What waits for the next run (S13) has not been sent either, until it is told not to.
    let mut service = layer.clone().reload_alone().layer(Origin::<B>::new(sender));
    let calls = [first, second].map(|Drawn { parts, content }| {
        let mut call = spawn(service.call(Request::from_parts(parts.clone(), Full::new(content.clone()))));
        assert!(call.poll().is_pending());
        call
    });
    // What was led or went alone has been sent by its first poll.
    let sent = std::iter::from_fn(|| held.try_recv().ok()).count();
    drop(calls);
    assert!(sent == 1 || sent == 2);
    sent == 1
}

fn asked(drawn: &Drawn) -> Asked<'_> {
    Asked::new(&drawn.parts).content(drawn.content.clone())
}

/// Gives the second request what the first one has in a part.
fn mend(difference: &Difference, first: &Drawn, second: &mut Drawn) {
    let (a, b) = (&first.parts, &mut second.parts);
    let uri = |of: &Uri, target: String| {
        let mut parts = of.clone().into_parts();
        parts.path_and_query = Some(target.parse().expect("a target"));
        Uri::from_parts(parts).expect("a URI")
    };
    let target = |path: &str, query: Option<&str>| query.map_or(path.to_owned(), |query| format!("{path}?{query}"));
    let mut copy = |name: &header::HeaderName| {
        b.headers.remove(name);
        for value in a.headers.get_all(name) {
            b.headers.append(name, value.clone());
        }
    };
    match difference {
        Difference::Method => b.method = a.method.clone(),
        Difference::Scheme | Difference::Authority => {
            copy(&header::HOST);
            b.uri = uri(&a.uri, target(b.uri.path(), b.uri.query()));
        }
        Difference::Path => b.uri = uri(&b.uri, target(a.uri.path(), b.uri.query())),
        Difference::Parameter(name) => {
            let named = |pair: &&str| pair.split_once('=').is_some_and(|(known, _)| known == name);
            let kept = b.uri.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !named(pair));
            let new = a.uri.query().into_iter().flat_map(|query| query.split('&')).filter(named);
            let query = kept.chain(new).collect::<Vec<_>>().join("&");
            b.uri =
                uri(&b.uri, target(b.uri.path(), Some(&query).filter(|query| !query.is_empty()).map(|query| &**query)));
        }
        Difference::Query => b.uri = uri(&b.uri, target(b.uri.path(), a.uri.query())),
        Difference::Field(name) | Difference::Credentials(name) => copy(name),
        Difference::Cookie(_) => copy(&header::COOKIE),
        Difference::Content => second.content = first.content.clone(),
        // What the key function found is the path.
        Difference::Identity(name) if name.ends_with("String") => {
            b.uri = uri(&b.uri, target(a.uri.path(), b.uri.query()));
        }
        Difference::Identity(_) => copy(&header::HeaderName::from_static("x-user")),
        Difference::Group => b.extensions = a.extensions.clone(),
        Difference::Rewritten => (b.uri, b.extensions) = (a.uri.clone(), a.extensions.clone()),
        other => panic!("nothing here differs so: {other:?}"),
    }
}

/// What was asked for, if a router has rewritten the URI, is in the extensions.
fn mend_asked(difference: &Difference, first: &Drawn, second: &mut Drawn) {
    let of_target = matches!(
        difference,
        Difference::Scheme | Difference::Authority | Difference::Path | Difference::Parameter(_) | Difference::Query
    );
    if of_target && !(first.parts.extensions.is_empty() && second.parts.extensions.is_empty()) {
        second.parts.extensions = first.parts.extensions.clone();
    }
    mend(difference, first, second);
}

/// Mends what is named until nothing is.
fn mend_all<C: HttpContent>(
    layer: &HttpSingleflightLayer<C>,
    first: &Drawn,
    mut second: Drawn,
) -> Result<Drawn, TestCaseError> {
    for _ in 0..4 {
        let explanation = layer.explain(asked(first), asked(&second));
        if explanation.differences().is_empty() {
            return Ok(second);
        }
        explanation.differences().iter().for_each(|difference| mend_asked(difference, first, &mut second));
    }
    Err(TestCaseError::fail(format!("it does not end:\n{}", layer.explain(asked(first), asked(&second)))))
}

fn check<C, B, F>(layer: &HttpSingleflightLayer<C>, first: &Drawn, second: &Drawn) -> Result<(), TestCaseError>
where
    C: HttpContent + Clone,
    C::Service<HttpSingleflight<Origin<B>>>: Service<Request<RequestBody>, Future = F>,
    F: Future<Output = Answer>,
    B: Send + 'static,
{
    let explain = |second: &Drawn| -> Explanation { layer.explain(asked(first), asked(second)) };
    let explanation = explain(second);
    let _ = (explanation.to_string(), format!("{explanation:?}"));
    prop_assert_eq!(explanation.would_share(), meet::<C, B, F>(layer, first, second), "{}", explanation);
    let again = explain(second);
    prop_assert_eq!((explanation.rules(), explanation.differences()), (again.rules(), again.differences()));
    for difference in explanation.differences() {
        let mut mended = second.clone();
        mend_asked(difference, first, &mut mended);
        let after = explain(&mended);
        prop_assert!(!after.differences().contains(difference), "{:?} is still there:\n{}", difference, after);
    }
    let mended = mend_all(layer, first, second.clone())?;
    let explanation = explain(&mended);
    prop_assert_eq!(explanation.would_share(), meet::<C, B, F>(layer, first, &mended), "{}", explanation);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_requests_meet_just_if_it_says_so(
        (first, second) in pair(),
        options in prop::array::uniform9(prop::bool::weighted(0.25)),
        content in any::<bool>(),
    ) {
        let layer = layer(options);
        if content {
            check::<Contents, ContentBody<RequestBody>, _>(&layer.content_key(8), &first, &second)?;
        } else {
            check::<Heads, RequestBody, _>(&layer, &first, &second)?;
        }
    }
}
