//! `explain` says what a call would find, and nothing else.

mod answered;
mod apart;
mod drawn;

use std::time::Duration;

use http::{HeaderName, Request, request::Parts};
use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    http::{Difference, HttpGroup, Rule},
};

use crate::origin::{bench, get_with, ok, request};

fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
    get_with(uri, headers).into_parts().0
}

fn field(name: &'static str) -> Difference {
    Difference::Field(HeaderName::from_static(name))
}

#[test]
fn the_rule_that_sends_a_request_alone_is_named_with_what_would_help() {
    let layer = HttpSingleflightLayer::new();
    let plain = parts("/x", &[]);
    for (name, value, rule) in [
        ("authorization", "ann", Rule::S5Authorization),
        ("cookie", "a=1", Rule::S6Cookie),
        ("range", "bytes=0-1", Rule::S11Range),
        ("content-length", "3", Rule::S15Content),
        ("host", "a b", Rule::S2Target),
    ] {
        let odd = parts("/x", &[(name, value)]);
        for (explanation, rules) in
            [(layer.explain(&plain, &odd), [None, Some(rule)]), (layer.explain(&odd, &plain), [Some(rule), None])]
        {
            assert!(!explanation.would_share());
            assert_eq!(explanation.rules(), rules);
            let text = explanation.to_string();
            assert!(text.contains(&format!("goes alone, by {rule}. ")) && text.contains("To share all the same: "));
        }
    }
}

#[test]
fn it_says_when_the_second_has_to_come() {
    let (plain, other) = (parts("/x", &[]), parts("/y", &[]));
    let meet = "They meet only if the second comes before the head of the first's answer";
    let text = HttpSingleflightLayer::new().explain(&plain, &plain).to_string();
    assert!(text.ends_with(&format!("\n{meet}.\nNeither shows the URI it was asked for: they share within one `layer()` call only, or a `group(..)`.\n")), "{text}");
    assert!(!HttpSingleflightLayer::new().explain(&plain, &other).to_string().contains("They meet"));

    let limits = Limits::new().join_window(Duration::from_millis(1_500));
    let windowed = format!("{meet}, and within 1.5s of the first's call (`join_window`).\n");
    let given = HttpSingleflightLayer::new().group(HttpGroup::with_limits(limits));
    for layer in [HttpSingleflightLayer::new().limits(limits), given.clone()] {
        let text = layer.explain(&plain, &plain).to_string();
        assert!(text.contains(&windowed), "{text}");
    }
    // A group that is given keeps its own limits.
    let text = given.limits(Limits::new()).explain(&plain, &plain).to_string();
    assert!(text.contains(&windowed), "{text}");
}

#[test]
fn names_are_told_and_values_only_if_they_are_asked_for() {
    let layer = HttpSingleflightLayer::new().per_credential();
    let of = |secret: &str| {
        let cookie = format!("sid={secret}");
        let uri = format!("/{secret}?page={secret}&{secret}&{secret}=&{secret}==");
        parts(&uri, &[("authorization", secret), ("cookie", &cookie), ("x-tenant", secret), ("host", secret)])
    };
    let explanation = layer.explain(&of("hunter1"), &of("hunter2"));
    let credentials = Difference::Credentials(http::header::AUTHORIZATION);
    let differs = [
        Difference::Authority,
        Difference::Path,
        Difference::Parameter("page".into()),
        Difference::Query,
        credentials,
        Difference::Cookie("sid".into()),
        field("x-tenant"),
    ];
    assert_eq!(explanation.differences(), differs);
    assert!(!format!("{explanation} {explanation:?}").contains("hunter"));
    let explanation = explanation.reveal();
    assert_eq!(explanation.to_string().matches("hunter").count(), 20);
    assert!(!format!("{explanation:?}").contains("hunter"), "this is for logs");
}

#[test]
fn it_can_be_kept_and_handed_to_another_thread() {
    fn check<T: Send + Sync + 'static>() {}
    check::<tower_singleflight::http::Explanation>();
    check::<tower_singleflight::http::ResponseExplanation>();
    check::<tower_singleflight::http::Asked<'static>>();
}

#[test]
fn what_is_printed_is_cut_and_harmless() {
    let layer = HttpSingleflightLayer::new();
    let long = |letter: &str| parts("/x", &[("x-any", &letter.repeat(5000)), ("x-tab", &format!("{letter}\t\"\\"))]);
    let name = "p".repeat(1000);
    let text = layer.explain(&long("a"), &long("b")).reveal().to_string();
    assert!(text.len() < 600 && text.contains("(5000 bytes)") && text.contains(r#""a\t\"\\""#), "{text}");
    let query = layer.explain(&parts(&format!("/x?{name}=1"), &[]), &parts("/x", &[])).to_string();
    assert!(query.len() < 400 && query.contains("(1000 bytes)"), "{query}");
    let many = (0..200).map(|at| format!("p{at}=1")).collect::<Vec<_>>().join("&");
    let many = layer.explain(&parts(&format!("/x?{many}"), &[]), &parts("/x", &[]));
    assert_eq!(many.differences().len(), 200);
    assert!(many.to_string().lines().count() < 40 && many.to_string().contains("and 168 more"), "{many}");
    let escapes = layer.explain(&parts("/x?\u{e9}=\u{9b}1", &[]), &parts("/x", &[])).reveal().to_string();
    assert!(escapes.is_ascii() && !escapes.contains('\u{1b}'), "{escapes}");
}

#[tokio::test]
async fn a_reload_leads_and_does_not_join() {
    let layer = HttpSingleflightLayer::new();
    let (plain, reload) = (parts("/x", &[]), parts("/x", &[("cache-control", "no-cache")]));
    assert!(layer.explain(&reload, &plain).would_share());
    assert_eq!(layer.explain(&plain, &reload).rules(), [None, Some(Rule::S13Reload)]);
    assert_eq!(layer.explain(&plain, &reload).differences(), []);
}

#[tokio::test]
async fn a_key_that_is_remembered_is_told_and_nothing_is_touched() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..2).map(|_| bench.call(get_with("/x", &[]))).collect();
    let explain = |layer: &HttpSingleflightLayer| layer.explain(&parts("/x", &[]), &parts("/x", &[])).rules();
    assert_eq!(explain(&bench.layer), [None, None]);
    let calls = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect::<Vec<_>>();
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    for _ in 0..2 {
        assert_eq!(explain(&bench.layer), [Some(Rule::D3Remembered); 2]);
    }
    assert_eq!(bench.count().await, 2);
    assert!(bench.group.is_empty());
}

#[test]
fn keys_are_compared_even_where_a_rule_speaks() {
    let layer = HttpSingleflightLayer::new();
    let explanation = layer.explain(
        &parts("/x", &[("accept", "a"), ("cookie", "a=1")]),
        &request("POST", "/x", &[("accept", "b")]).into_parts().0,
    );
    assert_eq!(explanation.rules(), [Some(Rule::S6Cookie), Some(Rule::S1Method)]);
    assert_eq!(explanation.differences(), [Difference::Method, field("accept")]);
}

#[test]
fn what_an_identity_found_is_told_by_its_type() {
    #[derive(Clone)]
    struct User(u32);
    #[derive(PartialEq, Eq, Hash)]
    struct UserId(u32);
    let layer = HttpSingleflightLayer::new().identity(|parts| parts.extensions.get().map(|User(id)| UserId(*id)));
    let of = |user: Option<u32>| {
        let mut request = Request::get("/x").body(()).unwrap();
        if let Some(user) = user {
            request.extensions_mut().insert(User(user));
        }
        request.into_parts().0
    };
    let explanation = layer.explain(&of(Some(1)), &of(Some(2)));
    assert!(matches!(explanation.differences(), [Difference::Identity(name)] if name.ends_with("UserId")));
    assert_eq!(layer.explain(&of(Some(1)), &of(None)).rules(), [None, Some(Rule::S3NoKey)]);
}
