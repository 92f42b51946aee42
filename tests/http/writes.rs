//! Reading what one has written: what the answers to writes fence (S21).

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tower_singleflight::{
    HttpSingleflightLayer, Role,
    http::{Coalesced, ContentBody, Contents, Heads, HttpKey, Rule},
};

use crate::origin::{Bench, Held, OriginBody, RequestBody, bench, get, get_with, ok, request, role, status, text};

type Plain = Bench<Heads, RequestBody>;
type Keyed = Bench<Contents, ContentBody<RequestBody>>;

/// What becomes of a write.
#[derive(Clone, Copy, Debug)]
enum End<'a> {
    Answered(u16, &'a [(&'a str, &'a str)]),
    Failed,
    HungUp,
}

/// Lets a write end while a read of this URI is under way; returns whether the next read of it is kept from that flight.
async fn fences(method: &str, fields: &[(&str, &str)], end: End<'_>, read: &str) -> bool {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = bench.call(get(read));
    let reading = bench.next().await;
    let write = bench.call(request(method, "http://a/items/", fields));
    let writing = bench.next().await;
    match end {
        End::Answered(code, said) => {
            writing.answer(status(code, said, ""));
            write.await.unwrap();
        }
        End::Failed => {
            writing.fail("broken");
            write.await.unwrap_err();
        }
        End::HungUp => drop(write),
    }
    let after = bench.call(get(read));
    let fenced = bench.count().await == 3;
    reading.answer(ok(&[], "old"));
    if fenced {
        bench.next().await.answer(ok(&[], "new"));
    }
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, if fenced { "new" } else { "old" });
    assert!(bench.group.is_empty());
    fenced
}

/// What has been written is known before the application is told of it.
#[tokio::test]
async fn s21_a_write_fences_though_inspect_panics() {
    let layer = HttpSingleflightLayer::new().inspect(|role, _| assert!(!matches!(role, Role::Alone(_)), "told"));
    let mut bench: Plain = bench(layer);
    let before = bench.call(get("/items"));
    let reading = bench.next().await;
    let write = tokio::spawn(bench.call(request("PUT", "/items", &[])));
    bench.next().await.answer(ok(&[], "done"));
    assert!(write.await.unwrap_err().is_panic());
    let after = bench.call(get("/items"));
    bench.next().await.answer(ok(&[], "new"));
    reading.answer(ok(&[], "old"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
}

/// The kind: every status but 4xx, of every unsafe method.
#[tokio::test]
async fn s21_an_answer_or_an_error_fences_and_a_refusal_or_a_hang_up_does_not() {
    let own = "http://a/items/";
    for method in ["PUT", "POST", "DELETE", "PATCH", "PURGE"] {
        for code in [200, 201, 204, 303, 308, 500, 503] {
            assert!(fences(method, &[], End::Answered(code, &[]), own).await, "{method} {code}");
        }
        assert!(fences(method, &[], End::Failed, own).await, "{method}");
        for code in [400, 401, 403, 404, 405, 409, 412, 429] {
            assert!(!fences(method, &[], End::Answered(code, &[]), own).await, "{method} {code}");
        }
        assert!(!fences(method, &[], End::HungUp, own).await, "{method}");
    }
    for method in ["OPTIONS", "TRACE", "QUERY"] {
        assert!(!fences(method, &[], End::Answered(200, &[]), own).await, "{method} is safe");
    }
    // With any query, and nothing else.
    assert!(fences("PUT", &[], End::Answered(200, &[]), "http://a/items/?page=2").await);
    assert!(!fences("PUT", &[], End::Answered(200, &[]), "http://a/other").await);
    assert!(!fences("PUT", &[], End::Answered(200, &[]), "http://b/items/").await);
}

#[tokio::test]
async fn s21_what_the_answer_locates_is_fenced_on_the_same_authority() {
    for name in ["location", "content-location"] {
        for (reference, read, expected) in [
            ("/items/7", "http://a/items/7", true),
            ("7", "http://a/items/7", true),
            ("./7", "http://a/items/7", true),
            ("../items/7", "http://a/items/7", true),
            ("http://a/items/7", "http://a/items/7", true),
            ("HTTP://A/items/7?x=1#y", "http://a/items/7", true),
            ("//a/items/7", "http://a/items/7", true),
            ("http://b/items/7", "http://b/items/7", false),
            ("http://b/items/7", "http://a/items/7", false),
            ("/items/7", "http://a/items/8", false),
        ] {
            let said = [(name, reference)];
            assert_eq!(
                fences("POST", &[], End::Answered(201, &said), read).await,
                expected,
                "{name}: {reference}, {read}"
            );
            assert!(!fences("POST", &[], End::Answered(409, &said), read).await, "refused: {reference}");
        }
    }
}

/// The kind: all three names, with `_` for any `-`.
#[tokio::test]
async fn s21_s30_a_method_override_counts_as_a_write() {
    for name in [
        "x-http-method-override",
        "x-method-override",
        "x-http-method",
        "x_http_method_override",
        "x_method_override",
        "x_http_method",
        "x-http_method",
    ] {
        assert!(fences("GET", &[(name, "DELETE")], End::Answered(200, &[]), "http://a/items/").await, "{name}");
    }
}

#[tokio::test]
async fn s21_a_write_that_panics_fences() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = bench.call(get("/x"));
    let reading = bench.next().await;
    let write = tokio::spawn(bench.call(request("PUT", "/x", &[])).into_inner());
    bench.next().await.panic();
    assert!(write.await.unwrap_err().is_panic());
    let after = bench.call(get("/x"));
    assert_eq!(bench.count().await, 3);
    reading.answer(ok(&[], "old"));
    bench.next().await.answer(ok(&[], "new"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert!(bench.group.is_empty());
}

/// An entry is deleted, and its list is read.
#[tokio::test]
async fn s21_a_fence_by_hand_is_for_one_authority_or_for_all() {
    for (authority, fenced) in [(None, [true, true]), (Some("a"), [true, false]), (Some("B"), [false, true])] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let lists = ["http://a/entries?page=1", "http://b/entries"];
        let before = lists.map(|list| bench.call(get(list)));
        let reading = [bench.next().await, bench.next().await];
        let delete = bench.call(request("DELETE", "http://a/entries/7", &[]));
        bench.next().await.answer(status(204, &[], ""));
        delete.await.unwrap();
        bench.group.fence(authority, "/entries");
        let mut calls = 3;
        let mut after = Vec::new();
        for (list, fenced) in lists.into_iter().zip(fenced) {
            after.push(bench.call(get(list)));
            calls += usize::from(fenced);
            assert_eq!(bench.count().await, calls, "{authority:?} {list}");
        }
        reading.into_iter().for_each(|held| held.answer(ok(&[], "old")));
        while bench.count().await > 3 && !bench.held.is_empty() {
            bench.next().await.answer(ok(&[], "new"));
        }
        for call in before {
            assert_eq!(text(call.await.unwrap()).await, "old");
        }
        for (call, fenced) in after.into_iter().zip(fenced) {
            assert_eq!(text(call.await.unwrap()).await, if fenced { "new" } else { "old" });
        }
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn a_forgotten_flight_is_joined_no_more_and_still_serves_its_callers() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = bench.call(get("/x"));
    let reading = bench.next().await;
    let key = bench.layer.key(&get("/x").into_parts().0).unwrap();
    assert!(bench.group.forget(&key));
    assert!(!bench.group.forget(&key));
    let after = bench.call(get("/x"));
    reading.answer(ok(&[], "old"));
    bench.next().await.answer(ok(&[], "new"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert!(bench.group.is_empty());
}

/// 600 of them, refused and hung up in turn, among 100 reads.
#[tokio::test]
async fn s21_refused_and_hung_up_writes_do_not_keep_reads_from_sharing() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let mut reads = vec![bench.call(get("/x"))];
    let reading = bench.next().await;
    for number in 1..=600 {
        let write = bench.call(request("PUT", "/x", &[]));
        let writing = bench.next().await;
        if number % 2 == 0 {
            writing.answer(status(403, &[], ""));
            write.await.unwrap();
        } else {
            drop(write);
        }
        if number % 6 == 0 && reads.len() < 100 {
            reads.push(bench.call(get("/x")));
        }
    }
    assert_eq!(bench.count().await, 601);
    reading.answer(ok(&[], "rows"));
    for read in reads {
        assert_eq!(text(read.await.unwrap()).await, "rows");
    }
    assert!(bench.group.is_empty());
}

fn grpc(method: &str) -> Request<RequestBody> {
    let builder = Request::post(format!("http://a/{method}")).header("content-type", "application/grpc");
    builder.body(Full::new(Bytes::from_static(b"m"))).unwrap()
}

/// An answer of one message, or of none, with this status in its trailers.
fn in_trailers(code: &'static str, message: Option<&'static str>) -> Response<OriginBody> {
    let (frames, body) = OriginBody::streamed();
    message.into_iter().for_each(|message| frames.data(message));
    frames.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]));
    Response::new(body)
}

/// Lets a call of this method end while `Get` is under way; returns whether the next `Get` is a call of its own.
async fn grpc_fences(method: &str, code: &'static str, trailing: bool) -> bool {
    let layer = HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]).grpc_reads(["/pkg.Service/List"]);
    let mut bench: Keyed = bench(layer);
    let before = bench.call(grpc("pkg.Service/Get"));
    let reading = bench.next().await;
    let write = bench.call(grpc(method));
    let held: Held<_> = bench.next().await;
    held.answer(if trailing { in_trailers(code, Some("done")) } else { ok(&[("grpc-status", code)], "") });
    let body = write.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().is_some(), trailing);
    let after = bench.call(grpc("pkg.Service/Get"));
    let fenced = bench.count().await == 3;
    reading.answer(in_trailers("0", Some("old")));
    if fenced {
        bench.next().await.answer(in_trailers("0", Some("new")));
    }
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, if fenced { "new" } else { "old" });
    assert!(bench.group.is_empty());
    fenced
}

#[tokio::test]
async fn s21_a_grpc_call_fences_its_service_when_its_status_is_known() {
    const REFUSED: [&str; 8] = ["3", "5", "6", "7", "9", "11", "12", "16"];
    for code in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"] {
        for trailing in [false, true] {
            let fenced = grpc_fences("pkg.Service/Put", code, trailing).await;
            assert_eq!(fenced, !REFUSED.contains(&code), "{code}, in the trailers: {trailing}");
            assert!(!grpc_fences("pkg.Service/List", code, trailing).await, "a read, {code}");
        }
    }
    assert!(!grpc_fences("pkg.Other/Put", "0", true).await, "another service");
}

#[tokio::test]
async fn s21_a_grpc_web_call_fences_unless_its_frame_of_trailers_refuses() {
    for (frame, fenced) in [
        (&b"\x80\0\0\0\x0fgrpc-status:5\r\n"[..], false),
        (b"gAAAAA9ncnBjLXN0YXR1czo1DQo=", false),
        (b"\x80\0\0\0\x0fgrpc-status:4\r\n", true),
        (b"gAAAAA9ncnBjLXN0YXR1czo0DQo=", true),
        // A message, whatever it looks like further on.
        (b"\0\0\0\0\x0fgrpc-status:5\r\n", true),
    ] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let before = bench.call(grpc("pkg.Service/Get"));
        let reading = bench.next().await;
        let write = bench.call(grpc("pkg.Service/Put"));
        bench.next().await.answer(Response::new(OriginBody::full(Bytes::from_static(frame))));
        write.await.unwrap().into_body().collect().await.unwrap();
        let after = bench.call(grpc("pkg.Service/Get"));
        assert_eq!(bench.count().await == 3, fenced, "{frame:?}");
        reading.answer(in_trailers("0", Some("old")));
        if fenced {
            bench.next().await.answer(in_trailers("0", Some("new")));
        }
        for call in [before, after] {
            call.await.unwrap();
        }
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn s21_the_fence_is_up_before_the_caller_sees_the_trailers() {
    let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
    let before = bench.call(grpc("pkg.Service/Get"));
    let reading = bench.next().await;
    let write = bench.call(grpc("pkg.Service/Put"));
    bench.next().await.answer(in_trailers("0", Some("done")));
    let mut body = write.await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "done");
    // It is not done as far as anyone has been told.
    let during = bench.call(grpc("pkg.Service/Get"));
    assert_eq!(bench.count().await, 2);
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    let after = bench.call(grpc("pkg.Service/Get"));
    assert_eq!(bench.count().await, 3);
    reading.answer(in_trailers("0", Some("old")));
    bench.next().await.answer(in_trailers("0", Some("new")));
    for (call, expected) in [(before, "old"), (during, "old"), (after, "new")] {
        assert_eq!(text(call.await.unwrap()).await, expected);
    }
    assert!(bench.group.is_empty());
}

/// How far the answer of a gRPC write gets before its caller hangs up.
#[derive(Clone, Copy, Debug)]
enum Heard {
    Nothing,
    Head,
    EmptyFrame,
    Message,
}

/// Lets the caller of a gRPC write hang up.
async fn hang_up(bench: &mut Keyed, heard: Heard) {
    let write = bench.call(grpc("pkg.Service/Put"));
    let writing = bench.next().await;
    if matches!(heard, Heard::Nothing) {
        return drop(write);
    }
    let (frames, body) = OriginBody::streamed();
    writing.answer(Response::new(body));
    let mut body = write.await.unwrap().into_body();
    if !matches!(heard, Heard::Head) {
        frames.data(if matches!(heard, Heard::Message) { "done" } else { "" });
        assert!(body.frame().await.unwrap().unwrap().is_data());
    }
    drop(body);
    assert!(frames.is_dropped());
}

/// The kind: a caller that drops the body, or breaks its reading off, at any frame before the trailers.
#[tokio::test]
async fn s21_a_grpc_write_that_is_hung_up_behind_its_message_fences() {
    for (heard, fenced) in
        [(Heard::Nothing, false), (Heard::Head, false), (Heard::EmptyFrame, false), (Heard::Message, true)]
    {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let before = bench.call(grpc("pkg.Service/Get"));
        let reading = bench.next().await;
        hang_up(&mut bench, heard).await;
        let after = bench.call(grpc("pkg.Service/Get"));
        assert_eq!(bench.count().await == 3, fenced, "{heard:?}");
        reading.answer(in_trailers("0", Some("old")));
        if fenced {
            bench.next().await.answer(in_trailers("0", Some("new")));
        }
        assert_eq!(text(before.await.unwrap()).await, "old");
        assert_eq!(text(after.await.unwrap()).await, if fenced { "new" } else { "old" }, "{heard:?}");
        assert!(bench.group.is_empty());
    }
}

/// 600 of them, among 100 reads.
#[tokio::test]
async fn s21_grpc_writes_that_are_hung_up_before_a_message_do_not_keep_reads_from_sharing() {
    let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
    let mut reads = vec![bench.call(grpc("pkg.Service/Get"))];
    let reading = bench.next().await;
    for number in 0..600 {
        hang_up(&mut bench, [Heard::Nothing, Heard::Head, Heard::EmptyFrame][number % 3]).await;
        if number % 6 == 0 && reads.len() < 100 {
            reads.push(bench.call(grpc("pkg.Service/Get")));
        }
    }
    assert_eq!(reads.len(), 100);
    assert_eq!(bench.count().await, 601);
    reading.answer(in_trailers("0", Some("rows")));
    for read in reads {
        assert_eq!(text(read.await.unwrap()).await, "rows");
    }
    assert!(bench.group.is_empty());
}

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

#[tokio::test]
async fn s21_a_write_over_http_1_is_of_its_host() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let of = |host| get_with("/x", &[("host", host)]);
    let before = [bench.call(of("a")), bench.call(of("b"))];
    let write = bench.call(request("PUT", "/x", &[("host", "a")]));
    let reading = [bench.next().await, bench.next().await];
    bench.next().await.answer(ok(&[], ""));
    write.await.unwrap();
    let after = [bench.call(of("a")), bench.call(of("b"))];
    assert_eq!(bench.count().await, 4);
    reading.into_iter().for_each(|held| held.answer(ok(&[], "old")));
    bench.next().await.answer(ok(&[], "new"));
    for (call, expected) in before.into_iter().chain(after).zip(["old", "old", "new", "old"]) {
        assert_eq!(text(call.await.unwrap()).await, expected);
    }
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn flights_that_a_predicate_picks_are_forgotten_and_no_others() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = [bench.call(get("/x")), bench.call(get("/y"))];
    let path = |known: &HttpKey| known.path() == Some("/x") && known.method() == "GET" && known.authority().is_none();
    assert_eq!(bench.group.forget_where(path), 1);
    assert_eq!(bench.group.forget_where(path), 0);
    let after = [bench.call(get("/x")), bench.call(get("/y"))];
    assert_eq!(bench.count().await, 3);
    for body in ["old", "y", "new"] {
        bench.next().await.answer(ok(&[], body));
    }
    for (call, body) in before.into_iter().chain(after).zip(["old", "y", "new", "y"]) {
        assert_eq!(text(call.await.unwrap()).await, body);
    }
    assert!(bench.group.is_empty());
}
