//! What keeps two requests apart beside their heads: groups, services above, writes; and that asking changes nothing.

use http::{Request, header, request::Parts};
use http_body_util::Full;
use tokio_test::task::spawn;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{Asked, Difference, Rule},
};

use crate::origin::{Held, Origin, RequestBody, bench, get_with, ok};

fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
    get_with(uri, headers).into_parts().0
}

/// What reaches the service below a layer.
fn below(layer: &HttpSingleflightLayer, parts: &Parts) -> Parts {
    let (sender, mut held) = tokio::sync::mpsc::unbounded_channel::<Held<RequestBody>>();
    let request = Request::from_parts(parts.clone(), Full::default());
    let mut call = spawn(layer.layer(Origin::new(sender)).call(request));
    assert!(call.poll().is_pending());
    held.try_recv().expect("it is sent").request.into_parts().0
}

#[tokio::test]
async fn s02_what_told_two_requests_apart_above_is_named_below() {
    let layer = HttpSingleflightLayer::new().per_credential();
    let strip = |mut parts: Parts| {
        parts.headers.remove(header::AUTHORIZATION);
        parts
    };
    let [ann, bob] = ["ann", "bob"].map(|user| strip(below(&layer, &parts("/x", &[("authorization", user)]))));
    let explanation = layer.explain(&ann, &bob);
    let credentials = Difference::Credentials(header::AUTHORIZATION);
    assert_eq!(explanation.differences(), [Difference::Above(Box::new(credentials))]);
    assert!(!explanation.to_string().contains("ann"));
    let text = explanation.reveal().to_string();
    assert!(text.contains("credentials: authorization") && text.contains(r#""ann" | "bob""#), "{text}");
    let outside = parts("/x", &[]);
    assert_eq!(layer.explain(&outside, &ann).differences(), [Difference::Passed]);
}

#[tokio::test]
async fn s02_what_went_alone_above_goes_alone_below() {
    let layer = HttpSingleflightLayer::new();
    let ranged = below(&layer, &parts("/x", &[("range", "bytes=0-1")]));
    let mut whole = ranged.clone();
    whole.headers.remove("range");
    assert_eq!(layer.explain(&whole, &whole).rules(), [Some(Rule::S11Range); 2]);
}

#[cfg(feature = "axum")]
#[test]
fn s02_two_groups_are_named() {
    let layer = HttpSingleflightLayer::new();
    let (plain, mut shown) = (parts("/x", &[]), parts("/x", &[]));
    shown.extensions.insert(axum::extract::OriginalUri(http::Uri::from_static("/x")));
    assert_eq!(layer.explain(&plain, &shown).differences(), [Difference::Group]);
    let within = "they share within one `layer()` call only";
    assert!(layer.explain(&plain, &plain).to_string().contains(within));
    assert!(!layer.explain(&shown, &shown).to_string().contains(within));
    let one_group = layer.group(tower_singleflight::http::HttpGroup::new());
    assert!(one_group.explain(&plain, &shown).would_share());
}

#[test]
fn s21_a_key_from_before_a_write_differs_by_it() {
    let layer = HttpSingleflightLayer::new();
    let (asked, other) = (parts("/x", &[]), parts("/x", &[("accept", "a")]));
    let before = layer.key(&asked).unwrap();
    layer.get_group().fence(None, "/x");
    assert_eq!(before.differences(&layer.key(&asked).unwrap()), [Difference::Fence]);
    assert_eq!(before.differences(&before), []);
    let named = before.differences(&layer.key(&other).unwrap());
    assert_eq!(named, [Difference::Field(header::ACCEPT), Difference::Fence]);
    // Both of now lie behind it.
    assert!(layer.explain(&asked, &asked).would_share());
    // The fences of another path are not what tells the two apart.
    assert_eq!(layer.explain(&asked, &parts("/y", &[])).differences(), [Difference::Path]);
}

#[test]
fn s21_a_key_function_that_takes_two_places_for_one_is_told_of_a_write_at_one() {
    let layer = HttpSingleflightLayer::new().key_fn(|_| Some(()));
    let explain = || layer.explain(&parts("/x", &[]), &parts("/y", &[]));
    assert!(explain().would_share());
    layer.get_group().fence(None, "/x");
    assert_eq!(explain().differences(), [Difference::Fence]);
}

#[test]
fn s30_it_is_said_that_http_1_0_is_served_with_known_lengths_only() {
    let layer = HttpSingleflightLayer::new();
    let (new, mut old) = (parts("/x", &[]), parts("/x", &[]));
    old.version = http::Version::HTTP_10;
    let answer = |length: Option<&str>| {
        let length = length.map(|length| (header::CONTENT_LENGTH, length.parse().unwrap()));
        let mut response = http::Response::new(());
        response.headers_mut().extend(length);
        response.into_parts().0
    };
    assert!(layer.explain(&new, &old).would_share());
    assert!(layer.explain(&new, &old).to_string().contains("The second speaks HTTP/1.0"));
    assert!(layer.explain(&new, &old).answered(&answer(Some("5"))).would_share());
    let unknown = answer(None);
    assert_eq!(layer.explain(&new, &old).answered(&unknown).rules(), [None, Some(Rule::S30Http10)]);
    let leads = layer.explain(&old, &new).answered(&unknown);
    assert_eq!(leads.rules(), [Some(Rule::S30Http10); 2]);
    assert!(leads.asks_again());
}

#[tokio::test]
async fn an_answer_that_is_asked_about_is_not_remembered_nor_does_it_end_a_memory() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let asked = parts("/x", &[]);
    let answer = |said: &str| http::Response::builder().header("cache-control", said).body(()).unwrap().into_parts().0;
    let rules = |layer: &HttpSingleflightLayer| {
        for said in ["private", "public"] {
            let _ = layer.explain_response(&asked, &answer(said)).to_string();
            let _ = layer.explain(&asked, &asked).answered(&answer(said)).to_string();
        }
        layer.explain(&asked, &asked).rules()
    };
    assert_eq!(rules(&bench.layer), [None, None]);
    let calls: Vec<_> = (0..2).map(|_| tokio::spawn(bench.call(get_with("/x", &[])).into_inner())).collect();
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let counted = format!("{:?}", bench.group.stats());
    assert_eq!(rules(&bench.layer), [Some(Rule::D3Remembered); 2]);
    assert_eq!(rules(&bench.layer), [Some(Rule::D3Remembered); 2]);
    assert_eq!(format!("{:?}", bench.group.stats()), counted, "it is no call");
    assert_eq!(bench.layer.explain_response(&asked, &answer("public")).rules(), [Some(Rule::D3Remembered), None]);
    assert!(bench.group.is_empty());
    assert_eq!(bench.count().await, 2);
}

#[test]
fn s15_s28_a_grpc_message_is_compared_and_its_answer_is_not_judged_by_the_head_alone() {
    let layer = HttpSingleflightLayer::new().grpc(["/p.S/Get"]);
    let call = |path: &str| {
        let request = Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
        request.body(()).unwrap().into_parts().0
    };
    let (get, put) = (call("/p.S/Get"), call("/p.S/Put"));
    let with = |content: &'static str| Asked::new(&get).content(content);
    assert!(layer.explain(with("m"), with("m")).would_share());
    assert_eq!(layer.explain(with("m"), with("n")).differences(), [Difference::Content]);
    assert_eq!(layer.explain(with("m"), with("n")).rules(), [None, None]);
    assert_eq!(layer.explain(&put, with("m")).rules(), [Some(Rule::S1Method), None]);
    let ok = http::Response::new(()).into_parts().0;
    let open = layer.explain_response(with("m"), &ok);
    assert!(open.would_be_shared() && open.to_string().contains("first message"), "{open}");
    // More than is read for the key.
    let long = Asked::new(&get).content(vec![0; (64 << 10) + 1]);
    assert_eq!(layer.explain(long.clone(), long).rules(), [Some(Rule::S15Content); 2]);
}
