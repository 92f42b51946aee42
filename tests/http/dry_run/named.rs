//! What a request shows and its key lacks is called by the name that it has, with the rule that leaves it out and what mends
//! that: each kind of input.

use http::{Request, Version};
use serde_json::{Value, json};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::dry_run::{Colour, DryRun},
};

use crate::origin::{Plain, RequestBody, bench, get_with, ok, text};

type Ask = fn(usize) -> Request<RequestBody>;

/// Sends four requests at a time, of two kinds, whose answers differ as the kinds do; returns the report as JSON, with the
/// colour and the remedies of the route.
async fn found(layer: HttpSingleflightLayer, ask: Ask) -> (Colour, Vec<String>, Value, String) {
    let mut bench: Plain = bench(layer.dry_run(DryRun::new()));
    let calls = [0, 1, 2, 3].map(|number| bench.call(ask(number)));
    for number in 0..4 {
        bench.next().await.answer(ok(&[("cache-control", "public")], ["a", "b"][number % 2]));
    }
    for call in calls {
        text(call.await.unwrap()).await;
    }
    let report = bench.layer.dry_run_report();
    let route = &report.routes()[0];
    let causes = serde_json::from_str::<Value>(&report.to_json()).unwrap()["routes"][0]["causes"].take();
    (route.colour(), route.remedies(), causes, report.to_string())
}

fn with(name: &'static str, values: [&str; 2], number: usize) -> Request<RequestBody> {
    get_with("http://h/x", &[(name, values[number % 2])])
}

/// Requests to a layer, the input in which they differ, the rule that leaves it out of the key, and what mends that.
type Case = (HttpSingleflightLayer, Ask, &'static str, &'static str, &'static str);

async fn each_is_named(cases: impl IntoIterator<Item = Case>) {
    for (layer, ask, input, rule, remedy) in cases {
        let (colour, remedies, causes, text) = found(layer, ask).await;
        let expected = json!([{
            "input": input,
            "rule": rule,
            "remedy": remedy,
            "exact": true,
            "different": [4, 4],
            "same": [0, 2],
        }]);
        assert_eq!((colour, causes), (Colour::Red, expected), "{input}\n{text}");
        let both = if remedy == "coalesce_if(..)" { vec![remedy] } else { vec![remedy, "coalesce_if(..)"] };
        assert_eq!(remedies, both, "{input}");
        let note = format!(
            "answers differ exactly where {input} differs (4 of 4, and 0 of 2 that are the same), by {rule}: {}\n",
            both.join(" or ")
        );
        assert!(text.contains(&note), "{text}");
        assert!(!text.contains("Bearer") && !text.contains("dark"), "no value is told: {text}");
    }
}

/// All requests have one key.
fn one_key() -> HttpSingleflightLayer {
    HttpSingleflightLayer::new().key_fn(|_| Some(7))
}

#[tokio::test]
async fn targets_and_versions_have_their_names_their_rules_and_their_remedies() {
    let cases: [Case; 5] = [
        (
            HttpSingleflightLayer::new().ignore_query(["page"]),
            |number| get_with(["http://h/x?page=1&q=1", "http://h/x?page=2&q=1"][number % 2], &[]),
            "?page",
            "S2",
            "no ignore_query([\"page\"])",
        ),
        (
            one_key(),
            |number| get_with(["http://h/x", "http://h/y"][number % 2], &[]),
            "path",
            "S2",
            "key_fn(..) that has it",
        ),
        (
            one_key(),
            |number| get_with(["http://h/x", "http://i/x"][number % 2], &[]),
            "authority",
            "S2",
            "key_fn(..) that has it",
        ),
        (
            one_key(),
            |number| get_with("/x", &[("host", ["h", "i"][number % 2])]),
            "authority",
            "S2",
            "key_fn(..) that has it",
        ),
        (
            HttpSingleflightLayer::new(),
            |number| {
                let mut request = get_with("http://h/x", &[]);
                *request.version_mut() = [Version::HTTP_11, Version::HTTP_10][number % 2];
                request
            },
            "version",
            "S30",
            "coalesce_if(..)",
        ),
    ];
    each_is_named(cases).await;
}

#[tokio::test]
async fn cookies_have_their_names_their_rule_and_their_remedy() {
    let remedy = "key_cookies([\"sid\"]) or per_credential()";
    let cases: [Case; 5] = [
        (
            HttpSingleflightLayer::new().ignore_cookies_named(["sid", "theme"]),
            // The other one does not matter, and is not named.
            |number| {
                let cookie = ["sid=1; theme=dark", "sid=2; theme=dark", "theme=light; sid=1", "sid=2"][number];
                get_with("http://h/x", &[("cookie", cookie)])
            },
            "cookie sid",
            "S6",
            remedy,
        ),
        (
            HttpSingleflightLayer::new().ignore_cookies(),
            |number| with("cookie", ["sid=1; a=1", "a=1; sid=2"], number),
            "cookie sid",
            "S6",
            remedy,
        ),
        // One that is in the key is not named.
        (
            HttpSingleflightLayer::new().ignore_cookies().key_cookies(["lang"]),
            |number| with("cookie", ["lang=en; sid=1", "lang=en; sid=2"], number),
            "cookie sid",
            "S6",
            remedy,
        ),
        // Without a value its name may be one.
        (
            HttpSingleflightLayer::new().ignore_cookies(),
            |number| with("cookie", ["dark=", "Bearer=="], number),
            "cookie",
            "S6",
            "key_cookies([..]) or per_credential()",
        ),
        // Which cookies these are readers may not agree upon.
        (
            HttpSingleflightLayer::new().ignore_cookies(),
            |number| with("cookie", ["sid=1,2", "sid=2,1"], number),
            "cookie",
            "S6",
            "key_cookies([..]) or per_credential()",
        ),
    ];
    each_is_named(cases).await;
}

#[tokio::test]
async fn fields_have_their_names_their_rules_and_their_remedies() {
    let cases: [Case; 2] = [
        (
            HttpSingleflightLayer::new().share_authorized(),
            |number| with("authorization", ["Bearer a", "Bearer b"], number),
            "authorization",
            "S5",
            "per_credential()",
        ),
        (
            HttpSingleflightLayer::new().ignore_headers(["x-tenant"]),
            |number| with("x-tenant", ["a", "b"], number),
            "x-tenant",
            "S27",
            "key_header(\"x-tenant\")",
        ),
    ];
    each_is_named(cases).await;
}
