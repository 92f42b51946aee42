//! Reading what one has written over gRPC: which calls fence the others of their service (S21).

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    grpc::{grpc, in_trailers},
    origin::{Held, Keyed, OriginBody, bench, ok, text},
};

/// Lets a call of this method end while `Get` is under way; returns whether the next `Get` is a call of its own.
async fn grpc_fences(method: &str, code: &'static str, trailing: bool) -> bool {
    let layer = HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]).grpc_reads(["/pkg.Service/List"]);
    let mut bench: Keyed = bench(layer);
    let before = bench.call(grpc("pkg.Service/Get", &[]));
    let reading = bench.next().await;
    let write = bench.call(grpc(method, &[]));
    let held: Held<_> = bench.next().await;
    held.answer(if trailing { in_trailers(code, Some("done")) } else { ok(&[("grpc-status", code)], "") });
    let body = write.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().is_some(), trailing);
    let after = bench.call(grpc("pkg.Service/Get", &[]));
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
    // Two services have one epoch by chance, once in a thousand groups.
    let other = async || grpc_fences("pkg.Other/Put", "0", true).await;
    assert!(!(other().await && other().await), "another service");
}

/// The letters of a media type mean the same in either case.
#[tokio::test]
async fn s21_a_grpc_call_is_one_in_any_case_of_its_content_type() {
    for kind in ["application/grpc", "Application/gRPC+proto", "APPLICATION/GRPC-WEB"] {
        let call = |method: &str| {
            let mut call = grpc(method, &[]);
            call.headers_mut().insert("content-type", kind.parse().unwrap());
            call
        };
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let before = [bench.call(call("pkg.Service/Get")), bench.call(call("pkg.Service/Get"))];
        let reading = bench.next().await;
        assert_eq!(bench.count().await, 1, "{kind}: it shares");
        let write = bench.call(call("pkg.Service/Put"));
        bench.next().await.answer(in_trailers("0", Some("done")));
        assert_eq!(text(write.await.unwrap()).await, "done");
        let after = bench.call(call("pkg.Service/Get"));
        assert_eq!(bench.count().await, 3, "{kind}: the write fences");
        reading.answer(in_trailers("0", Some("old")));
        bench.next().await.answer(in_trailers("0", Some("new")));
        for before in before {
            assert_eq!(text(before.await.unwrap()).await, "old");
        }
        assert_eq!(text(after.await.unwrap()).await, "new");
        assert!(bench.group.is_empty());
    }
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
        let before = bench.call(grpc("pkg.Service/Get", &[]));
        let reading = bench.next().await;
        let write = bench.call(grpc("pkg.Service/Put", &[]));
        bench.next().await.answer(Response::new(OriginBody::full(Bytes::from_static(frame))));
        write.await.unwrap().into_body().collect().await.unwrap();
        let after = bench.call(grpc("pkg.Service/Get", &[]));
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
    let before = bench.call(grpc("pkg.Service/Get", &[]));
    let reading = bench.next().await;
    let write = bench.call(grpc("pkg.Service/Put", &[]));
    bench.next().await.answer(in_trailers("0", Some("done")));
    let mut body = write.await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "done");
    // It is not done as far as anyone has been told.
    let during = bench.call(grpc("pkg.Service/Get", &[]));
    assert_eq!(bench.count().await, 2);
    assert!(body.frame().await.unwrap().unwrap().is_trailers());
    let after = bench.call(grpc("pkg.Service/Get", &[]));
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
    let write = bench.call(grpc("pkg.Service/Put", &[]));
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
        let before = bench.call(grpc("pkg.Service/Get", &[]));
        let reading = bench.next().await;
        hang_up(&mut bench, heard).await;
        let after = bench.call(grpc("pkg.Service/Get", &[]));
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
    let mut reads = vec![bench.call(grpc("pkg.Service/Get", &[]))];
    let reading = bench.next().await;
    for number in 0..600 {
        hang_up(&mut bench, [Heard::Nothing, Heard::Head, Heard::EmptyFrame][number % 3]).await;
        if number % 6 == 0 && reads.len() < 100 {
            reads.push(bench.call(grpc("pkg.Service/Get", &[])));
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
