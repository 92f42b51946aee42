//! Queries and mutations with content in the key: mutations fence the queries (S21, D11).

use bytes::Bytes;
use http::{Method, Request, header, request};
use http_body_util::Full;
use serde::{Deserialize, de::IgnoredAny};
use tower_singleflight::{
    HttpSingleflightLayer, Role,
    http::{Coalesced, Rule},
};

use crate::origin::{Keyed, bench, ok, role, text};

#[tokio::test]
async fn d11_s21_mutations_of_graphql_go_alone_and_fence_and_queries_share() {
    let layer = HttpSingleflightLayer::new()
        .methods([Method::POST])
        .content_if(|_, content| !content.windows(8).any(|word| word == b"mutation"))
        .content_key(64);
    let mut bench: Keyed = bench(layer);
    let post = |content: &str| Request::post("/graphql").body(Full::new(Bytes::from(content.to_owned()))).unwrap();
    let mut reads = vec![bench.call(post("query { a }")), bench.call(post("query { a }"))];
    let reading = bench.next().await;
    // A content that is too large to be looked at goes alone too, as a write.
    for (content, rule) in [("mutation { a }".to_owned(), Rule::D11Content), ("query".repeat(20), Rule::S15Content)] {
        let write = bench.call(post(&content));
        let writing = bench.next().await;
        writing.answer(ok(&[], "written"));
        let response = write.await.unwrap();
        assert_eq!(response.extensions().get::<Coalesced>().unwrap().rule, Some(rule));
        let before = bench.count().await;
        reads.push(bench.call(post("query { a }")));
        assert_eq!(bench.count().await, before + 1);
        bench.next().await.answer(ok(&[], "new"));
        assert_eq!(text(reads.pop().unwrap().await.unwrap()).await, "new");
    }
    reading.answer(ok(&[], "old"));
    let mut roles = Vec::new();
    for read in reads {
        let response = read.await.unwrap();
        roles.push(role(&response));
        assert_eq!(text(response).await, "old");
    }
    assert_eq!(roles, [Role::Leader, Role::Follower]);
    assert!(bench.group.is_empty());
}

/// What a request of GraphQL may hold, as the recipe has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    query: String,
    #[serde(default, rename = "variables")]
    _variables: IgnoredAny,
    #[serde(default, rename = "operationName")]
    _operation_name: IgnoredAny,
}

fn only_reads(parts: &request::Parts, content: &[u8]) -> bool {
    let Ok(asked) = serde_json::from_slice::<Asked>(content) else { return false };
    let text = asked.query.trim_start();
    !parts.headers.contains_key(header::CONTENT_ENCODING)
        && (text.starts_with('{') || text.starts_with("query"))
        && !["mutation", "subscription"].iter().any(|word| text.contains(word))
}

#[tokio::test]
async fn d11_the_recipe_shares_queries_and_no_mutation_however_it_is_written() {
    let layer = HttpSingleflightLayer::new();
    let layer = layer.methods([Method::POST]).content_if(|parts, content| only_reads(parts, content)).content_key(1024);
    let cases = [
        (r#"{"query":"{ a }","variables":{"b":1}}"#, "", true),
        (r#"{"query":" query A { a }","operationName":"A"}"#, "", true),
        (r#"{"query":"mutation { pay }"}"#, "", false),
        (r#"{"query":"\u006dutation { pay }"}"#, "", false),
        (r#"{"query":"query A { a } mutation B { pay }","operationName":"B"}"#, "", false),
        (r#"{"query":"mutation { pay }","query":"{ a }"}"#, "", false),
        (r#"{"query":"{ a }","Query":"mutation { pay }"}"#, "", false),
        (r#"[{"query":"{ a }"}]"#, "", false),
        (r#"{"extensions":{"persistedQuery":{}}}"#, "", false),
        (r#"{"query":"{ a }"}"#, "gzip", false),
        ("query { a }", "", false),
    ];
    for (content, encoding, shares) in cases {
        let mut bench: Keyed = bench(layer.clone());
        let post = || {
            let request = Request::post("/graphql");
            let request = if encoding.is_empty() { request } else { request.header("content-encoding", encoding) };
            request.body(Full::new(Bytes::from_static(content.as_bytes()))).unwrap()
        };
        let calls = [bench.call(post()), bench.call(post())];
        let runs = if shares { 1 } else { 2 };
        for _ in 0..runs {
            bench.next().await.answer(ok(&[], "rows"));
        }
        for call in calls {
            assert_eq!(text(call.await.unwrap()).await, "rows", "{content} {encoding}");
        }
        assert_eq!(bench.count().await, runs, "{content} {encoding}");
        assert!(bench.group.is_empty());
    }
}

/// The kind: every rule that sends a request alone before its content is asked about.
#[tokio::test]
async fn s21_a_mutation_fences_whatever_rule_sent_it_alone() {
    let post = |content: &'static str, fields: &[(&str, &[u8])]| {
        let request = Request::post("http://a/graphql");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Full::new(Bytes::from_static(content.as_bytes()))).unwrap()
    };
    let long = "y".repeat(9000);
    for fields in [
        &[][..],
        &[("x-odd", "\u{e9}".as_bytes())],
        &[("authorization", b"ann")],
        &[("x-long", long.as_bytes())],
        &[("host", b"other")],
    ] {
        let layer = HttpSingleflightLayer::new()
            .methods([Method::POST])
            .content_if(|_, content| content.starts_with(b"query"))
            .content_key(1024);
        let mut bench: Keyed = bench(layer);
        let before = bench.call(post("query", &[]));
        let reading = bench.next().await;
        let write = bench.call(post("mutation", fields));
        bench.next().await.answer(ok(&[], ""));
        write.await.unwrap();
        let after = bench.call(post("query", &[]));
        assert_eq!(bench.count().await, 3, "{fields:?}");
        bench.next().await.answer(ok(&[], "new"));
        reading.answer(ok(&[], "old"));
        assert_eq!(text(before.await.unwrap()).await, "old");
        assert_eq!(text(after.await.unwrap()).await, "new");
        assert!(bench.group.is_empty());
    }
}

/// The kind: a method that was opted in for the sake of its content, and comes without any. Whether that is known at once, or
/// only once it was read, makes no difference.
#[tokio::test]
async fn d11_no_content_is_asked_about_as_any_other() {
    let layer = |shares: bool| {
        let layer = HttpSingleflightLayer::new().methods([Method::POST, Method::from_bytes(b"QUERY").unwrap()]);
        layer.content_if(move |_, content| if content.is_empty() { shares } else { content.starts_with(b"query") })
    };
    for (method, shares, runs) in
        [("POST", false, 2), ("POST", true, 1), ("QUERY", false, 2), ("GET", false, 1), ("HEAD", false, 1)]
    {
        let request = || Request::builder().method(method).uri("http://a/pay").body(Full::default()).unwrap();
        let mut bench: Keyed = bench(layer(shares).content_key(64));
        let calls = [bench.call(request()), bench.call(request())];
        assert_eq!(bench.count().await, runs, "{method}, {shares}");
        for _ in 0..runs {
            bench.next().await.answer(ok(&[], "done"));
        }
        for call in calls {
            let response = call.await.unwrap();
            let rule = response.extensions().get::<Coalesced>().unwrap().rule;
            assert_eq!(rule, (runs == 2).then_some(Rule::D11Content), "{method}");
        }
        assert!(bench.group.is_empty());
        let parts = request().into_parts().0;
        assert_eq!(layer(shares).content_key(64).explain(&parts, &parts).would_share(), runs == 1, "{method}");
    }
    // Such a write fences what is read there (S21), and where no content is read at all, it is asked about too.
    let post = |content: &'static str| Request::post("http://a/pay").body(Full::from(content)).unwrap();
    let mut bench: Keyed = bench(layer(false).content_key(64));
    let before = bench.call(post("query"));
    let reading = bench.next().await;
    let write = bench.call(post(""));
    bench.next().await.answer(ok(&[], ""));
    write.await.unwrap();
    let after = bench.call(post("query"));
    assert_eq!(bench.count().await, 3);
    bench.next().await.answer(ok(&[], "new"));
    reading.answer(ok(&[], "old"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    let mut heads: crate::origin::Plain = crate::origin::bench(layer(false));
    let calls = [heads.call(post("")), heads.call(post(""))];
    assert_eq!(heads.count().await, 2);
    drop(calls);
}
