//! gRPC: what statuses, deadlines and trailers decide. Other tests have their calls and answers from here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::advance;
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{ContentBody, Contents},
};

use crate::{
    herd::{Task, texts},
    origin::{Bench, Keyed, OriginBody, RequestBody, bench, ok, text},
};

/// A call of this method.
pub(crate) fn grpc(method: &str, fields: &[(&str, &str)]) -> Request<RequestBody> {
    let builder = Request::post(format!("http://a/{method}")).header("content-type", "application/grpc");
    let builder = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Full::new(Bytes::from_static(b"m"))).unwrap()
}

#[tokio::test]
async fn s10_a_grpc_status_about_one_call_stays_with_the_leader() {
    for (status, expected) in [("4", 2), ("1", 2), ("7", 2), ("8", 2), ("16", 2), ("0", 1), ("5", 1)] {
        let mut bench: Bench<Contents, ContentBody<RequestBody>> =
            bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let hasty = bench.call(grpc("pkg.Service/Get", &[("grpc-timeout", "1m")]));
        let patient = bench.call(grpc("pkg.Service/Get", &[("grpc-timeout", "10S")]));
        let tasks = [hasty, patient].map(|call| tokio::spawn(async { call.await.unwrap() }));
        bench.next().await.answer(ok(&[("grpc-status", status)], ""));
        assert_eq!(bench.count().await, expected, "{status}");
        if expected == 2 {
            bench.next().await.answer(ok(&[("grpc-status", "0")], ""));
        }
        let [hasty, patient] = tasks;
        assert_eq!(hasty.await.unwrap().headers()["grpc-status"], status);
        assert_eq!(patient.await.unwrap().headers()["grpc-status"], if expected == 2 { "0" } else { status });
    }
}

/// An answer of one message, or of none, with this status in its trailers.
pub(crate) fn in_trailers(code: &'static str, message: Option<&'static str>) -> Response<OriginBody> {
    let (frames, body) = OriginBody::streamed();
    message.into_iter().for_each(|message| frames.data(message));
    frames.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]));
    Response::new(body)
}

#[tokio::test(start_paused = true)]
async fn s28_grpc_statuses_of_a_deadline_in_the_head_or_behind_it_reach_nobody_else() {
    for code in ["1", "4", "8"] {
        for trailing in [false, true] {
            let mut bench: Bench<Contents, ContentBody<RequestBody>> =
                bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
            let hasty = bench.call(grpc("pkg.Service/Get", &[("grpc-timeout", "9S")]));
            let held = bench.next().await;
            advance(Duration::from_secs(8)).await;
            let patient = [(); 5].map(|()| bench.call(grpc("pkg.Service/Get", &[])));
            let tasks: Vec<Task> =
                [hasty].into_iter().chain(patient).map(|call| tokio::spawn(call.into_inner())).collect();
            advance(Duration::from_secs(1)).await;
            held.answer(if trailing { in_trailers(code, None) } else { ok(&[("grpc-status", code)], "") });
            assert_eq!(bench.count().await, 2, "{code}, in the trailers: {trailing}");
            bench.next().await.answer(in_trailers("0", Some("rows")));
            let mut texts = texts(tasks).await;
            assert_eq!(texts.remove(0), "");
            assert_eq!(texts, vec!["rows"; 5], "{code}, in the trailers: {trailing}");
            assert!(bench.group.is_empty());
        }
    }
}

#[tokio::test]
async fn s28_a_unary_grpc_call_lands_at_its_first_message_or_its_trailers() {
    for message in [true, false] {
        let mut bench: Bench<Contents, ContentBody<RequestBody>> =
            bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let mut leader = bench.call(grpc("pkg.Service/Get", &[]));
        let (frames, body) = OriginBody::streamed();
        bench.next().await.answer(Response::new(body));
        bench.settle().await;
        assert!(leader.poll().is_pending());
        // The head is there, and the flight can be joined still.
        let follower = bench.call(grpc("pkg.Service/Get", &[]));
        assert_eq!(bench.count().await, 1);
        if message {
            frames.data("rows");
        }
        frames.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "5".parse().unwrap())]));
        drop(frames);
        for call in [leader, follower] {
            let collected = http_body_util::BodyExt::collect(call.await.unwrap().into_body()).await.unwrap();
            assert_eq!(collected.trailers().unwrap()["grpc-status"], "5");
            assert_eq!(collected.to_bytes(), if message { "rows" } else { "" });
        }
        assert_eq!(bench.count().await, 1);
        assert!(bench.group.is_empty());
    }
}

/// A call of gRPC-Web, of this content type.
fn web(kind: &str, fields: &[(&str, &str)]) -> Request<RequestBody> {
    let request = Request::post("http://a/p.S/Get").header("content-type", kind);
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::from("\0\0\0\0\0")).unwrap()
}

/// In gRPC-Web trailers are a frame of the body, in base64 perhaps.
#[tokio::test]
async fn s28_a_leaders_deadline_in_a_trailers_frame_of_grpc_web_is_its_own() {
    for (kind, frame) in [
        ("application/grpc-web+proto", &b"\x80\0\0\0\x10grpc-status: 4\r\n"[..]),
        ("application/grpc-web-text", b"gAAAABBncnBjLXN0YXR1czogNA0K"),
        ("application/grpc-web-text+proto", b"gAAAAA9ncnBjLXN0YXR1czo0DQo="),
    ] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]));
        let one = bench.call(web(kind, &[("grpc-timeout", "1m")]));
        let mut other = bench.call(web(kind, &[]));
        bench.next().await.answer(Response::new(OriginBody::full(Bytes::from_static(frame))));
        bench.settle().await;
        let _ = other.poll();
        bench.next().await.answer(ok(&[], "fine"));
        let own = one.await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(own, frame, "{kind}");
        assert_eq!(text(other.await.unwrap()).await, "fine", "{kind}");
        assert!(bench.group.is_empty());
    }
}

/// An answer that is announced to be larger than the window is not shared, also where its verdict waits for a message.
#[tokio::test]
async fn a_large_message_is_shared_only_if_it_is_there_as_a_whole() {
    for (pieces, calls) in [(&["12345678"][..], 1), (&["1234", "5678"], 2)] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]).window(7));
        let tasks = [(); 2].map(|()| tokio::spawn(bench.call(grpc("p.S/Get", &[])).into_inner()));
        let (frames, body) = OriginBody::streamed();
        let mut answer = Response::new(body);
        answer.headers_mut().insert("content-length", "8".parse().unwrap());
        bench.next().await.answer(answer);
        pieces.iter().for_each(|piece| frames.data(piece));
        drop(frames);
        assert_eq!(bench.count().await, calls, "{pieces:?}");
        if calls == 2 {
            bench.next().await.answer(ok(&[], "12345678"));
        }
        assert_eq!(texts(tasks.into()).await, ["12345678"; 2]);
        assert!(bench.group.is_empty());
    }
}

/// So is one of gRPC-Web whose trailers come in place of the message.
#[tokio::test]
async fn a_large_frame_of_trailers_is_shared_only_if_it_is_there_as_a_whole() {
    let frame = b"\x80\0\0\0\x10grpc-status: 5\r\n";
    for (pieces, calls) in [(&[frame.len()][..], 1), (&[9, frame.len() - 9], 2), (&[frame.len(), 3], 2)] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]).window(20));
        let tasks = [(); 2].map(|()| tokio::spawn(bench.call(grpc("p.S/Get", &[])).into_inner()));
        let mut rest = [&frame[..], b"..."].concat();
        rest.truncate(pieces.iter().sum());
        for _ in 0..calls {
            let (frames, body) = OriginBody::streamed();
            let mut answer = Response::new(body);
            answer.headers_mut().insert("content-length", rest.len().into());
            let mut rest = rest.clone();
            pieces.iter().for_each(|piece| frames.bytes(rest.drain(..piece).collect()));
            bench.next().await.answer(answer);
        }
        assert_eq!(bench.count().await, calls, "{pieces:?}");
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), rest);
        }
        assert!(bench.group.is_empty());
    }
}

/// A unary answer of this status: in the head, in trailers, or in a trailers frame of gRPC-Web.
fn of_status(code: &'static str, form: usize) -> Response<OriginBody> {
    match form {
        0 => ok(&[("grpc-status", code)], ""),
        1 => in_trailers(code, None),
        _ => Response::new(OriginBody::full([b"\x80\0\0\0\0grpc-status:", code.as_bytes()].concat())),
    }
}

/// D4: gRPC has its failures in other places than HTTP, and they are no others.
#[tokio::test(start_paused = true)]
async fn d4_d9_a_grpc_failure_is_the_leaders_alone_if_the_layer_was_told_so() {
    for form in 0..3 {
        for (code, strict, expected) in
            [("14", false, 1), ("14", true, 3), ("2", true, 3), ("13", true, 3), ("5", true, 1), ("0", true, 1)]
        {
            let mut bench: Keyed =
                bench(HttpSingleflightLayer::new().share_server_errors(!strict).grpc(["/pkg.Service/Get"]));
            let calls = [(); 3].map(|()| bench.call(grpc("pkg.Service/Get", &[])));
            let tasks = calls.map(|call| tokio::spawn(call.into_inner()));
            let mut answered = 0;
            while answered < bench.count().await {
                bench.next().await.answer(of_status(code, form));
                answered += 1;
            }
            assert_eq!(answered, expected, "{code}, {strict}, form {form}");
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            // A failure says nothing of the next answer: who comes next shares.
            let calls = [(); 3].map(|()| bench.call(grpc("pkg.Service/Get", &[])));
            assert_eq!(bench.count().await, expected + 1, "{code}, {strict}, form {form}");
            drop(calls);
        }
    }
}

/// D9: a status that may be due to the leader's own call lets followers try again, whatever was said of failures.
#[tokio::test(start_paused = true)]
async fn d9_a_grpc_status_about_one_call_lets_others_try_again_though_failures_are_not_shared() {
    for form in 0..3 {
        let mut bench: Keyed =
            bench(HttpSingleflightLayer::new().share_server_errors(false).grpc(["/pkg.Service/Get"]));
        let calls = [(); 4].map(|()| bench.call(grpc("pkg.Service/Get", &[])));
        let tasks = calls.map(|call| tokio::spawn(call.into_inner()));
        bench.next().await.answer(of_status("16", form));
        assert_eq!(bench.count().await, 2, "form {form}");
        bench.next().await.answer(of_status("0", form));
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(bench.count().await, 2, "form {form}");
    }
}

/// D3, as with 429: no key is remembered of a service that has too much to do; nor, as with 401, of three callers that are refused.
#[tokio::test(start_paused = true)]
async fn d3_an_overloaded_grpc_service_is_not_sent_the_next_burst() {
    for form in 0..3 {
        for (code, callers, remembered) in [
            ("8", 4, false),
            ("4", 4, false),
            ("1", 4, false),
            ("16", 3, false),
            ("7", 3, false),
            ("16", 4, true),
            ("7", 4, true),
        ] {
            let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
            let calls: Vec<_> = (0..callers).map(|_| bench.call(grpc("pkg.Service/Get", &[]))).collect();
            let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
            for _ in 0..callers {
                bench.next().await.answer(of_status(code, form));
            }
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            let calls = [(); 3].map(|()| bench.call(grpc("pkg.Service/Get", &[])));
            let expected = callers + if remembered { 3 } else { 1 };
            assert_eq!(bench.count().await, expected, "{code}, {callers} callers, form {form}");
            drop(calls);
        }
    }
}
