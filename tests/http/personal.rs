//! Answers for one (S7), fields of one exchange (S17), event streams (S29).

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use tower_singleflight::{HttpSingleflightLayer, Role};

use crate::{
    grpc::grpc,
    herd::{calls, plain},
    origin::{Keyed, OriginBody, Plain, bench, get, get_with, ok, role, text},
};

const PERSONAL: [&str; 22] = [
    "Set-Cookie",
    "Set-Cookie2",
    "Mcp-Session-Id",
    "X-CSRF-Token",
    "X-XSRF-Token",
    "CSRF-Token",
    "X-Auth-Token",
    "X-Session-Token",
    "X-Session-Id",
    "Replay-Nonce",
    "DPoP-Nonce",
    "Authentication-Info",
    "Proxy-Authentication-Info",
    "Authorization",
    "Access-Token",
    "X-Access-Token",
    "Refresh-Token",
    "X-Refresh-Token",
    "Secure-Session-Challenge",
    "Secure-Session-Registration",
    "Sec-Session-Challenge",
    "Sec-Session-Registration",
];

#[tokio::test]
async fn s07_a_session_a_token_or_a_nonce_is_its_leaders() {
    for name in PERSONAL {
        for value in ["v", ""] {
            let said = [("cache-control", "public, max-age=60"), (name, value)];
            assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &said).await, 3, "{name}");
        }
    }
    let kept = || HttpSingleflightLayer::new().keep_header(HeaderName::from_static("x-nonce"));
    assert_eq!(calls(kept(), plain(), &[("X-Nonce", "v")]).await, 3);
    assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &[("X-Nonce", "v")]).await, 1);
}

/// The kind: fields that another rule looks at.
#[tokio::test]
async fn s07_a_field_that_is_to_be_kept_is_kept_whatever_other_rules_say_of_it() {
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("age", "1"),
        ("cache-control", "max-age=5"),
        ("cdn-cache-control", "max-age=5"),
        ("content-type", "text/plain"),
        ("expires", "Fri, 31 Dec 2100 23:59:59 GMT"),
        ("grpc-status", "0"),
        ("surrogate-control", "max-age=5"),
        ("trailer", "x-sum"),
        ("vary", "accept"),
    ] {
        let kept = HttpSingleflightLayer::new().keep_header(HeaderName::from_static(name));
        assert_eq!(calls(kept, plain(), &[(name, value)]).await, 3, "{name}");
        assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &[(name, value)]).await, 1, "{name}");
    }
    let strips = || HttpSingleflightLayer::new().strip_set_cookie();
    assert_eq!(calls(strips().keep_header(http::header::SET_COOKIE), plain(), &[("set-cookie", "a=b")]).await, 3);
    assert_eq!(calls(strips(), plain(), &[("set-cookie", "a=b")]).await, 1);
}

#[tokio::test]
async fn s17_followers_do_not_get_the_names_of_the_leaders_exchange() {
    let names = [
        "x-request-id",
        "request-id",
        "x-correlation-id",
        "x-trace-id",
        "traceparent",
        "traceresponse",
        "b3",
        "x-b3-traceid",
        "x-datadog-trace-id",
        "x-amzn-requestid",
        "x-amz-cf-id",
        "cf-ray",
        "fly-request-id",
        "x-vercel-id",
        "x-azure-ref",
        "x-github-request-id",
        "x-own-id",
    ];
    let mut bench: Plain = bench(HttpSingleflightLayer::new().drop_header(HeaderName::from_static("x-own-id")));
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    let said: Vec<_> = names.iter().map(|name| (*name, "1")).chain([("x-rows", "7")]).collect();
    bench.next().await.answer(ok(&said, "x"));
    for call in calls {
        let response = call.await.unwrap();
        assert_eq!(response.headers()["x-rows"], "7");
        for name in names {
            assert_eq!(response.headers().contains_key(name), role(&response) == Role::Leader, "{name}");
        }
    }
    assert!(bench.group.is_empty());
}

/// A layer above that copies the id of a request to its response finds no other there.
#[tokio::test]
async fn s17_a_layer_above_gives_each_follower_its_own_id() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let above = tower_http::request_id::PropagateRequestIdLayer::x_request_id().layer(bench.service.clone());
    let ids = ["1", "2", "3"];
    let tasks = ids.map(|id| {
        let call = above.clone().oneshot(get_with("/x", &[("x-request-id", id)]));
        tokio::spawn(call)
    });
    bench.settle().await;
    let held = bench.next().await;
    let leaders = held.request.headers()["x-request-id"].to_str().unwrap().to_owned();
    held.answer(ok(&[("x-request-id", &leaders)], "x"));
    for (task, id) in tasks.into_iter().zip(ids) {
        assert_eq!(task.await.unwrap().unwrap().headers()["x-request-id"], id);
    }
    assert_eq!(bench.count().await, 1);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn s29_an_event_stream_is_shared_if_it_says_that_it_is_for_all() {
    let past = ("expires", "Thu, 01 Jan 1970 00:00:00 GMT");
    let future = ("expires", "Fri, 31 Dec 2100 23:59:59 GMT");
    for (said, expected) in [
        (&[][..], 3),
        (&[("cache-control", "max-age=0")], 3),
        (&[("cache-control", "max-age=5")], 1),
        (&[("cache-control", "s-maxage=5")], 1),
        (&[("cache-control", "max-age=5, s-maxage=0")], 3),
        (&[("cache-control", "public")], 1),
        (&[past], 3),
        (&[future], 1),
        (&[("expires", "0")], 3),
    ] {
        for kind in ["text/event-stream", "Text/Event-Stream; charset=utf-8"] {
            let said: Vec<_> = said.iter().copied().chain([("content-type", kind)]).collect();
            assert_eq!(calls(HttpSingleflightLayer::new(), plain(), &said).await, expected, "{said:?}");
            assert_eq!(calls(HttpSingleflightLayer::new().share_event_streams(), plain(), &said).await, 1, "{said:?}");
        }
    }
}

/// Trailers come when the head is everybody's: the ones that are announced count at the head (RFC 9110, 6.6.2).
#[tokio::test]
async fn s07_announced_trailers_that_hand_out_a_session_keep_an_answer() {
    for name in ["Set-Cookie", "x, Authentication-Info"] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let one = bench.call(get("http://a/x"));
        let mut other = bench.call(get("http://a/x"));
        bench.next().await.answer(ok(&[("trailer", name)], "one"));
        bench.settle().await;
        let _ = other.poll();
        bench.next().await.answer(ok(&[], "other"));
        assert_eq!(text(one.await.unwrap()).await, "one");
        assert_eq!(text(other.await.unwrap()).await, "other");
        assert!(bench.group.is_empty());
    }
}

/// A unary call lands at its trailers if they come in place of a message, as a frame of gRPC-Web perhaps.
#[tokio::test]
async fn s07_trailers_in_place_of_a_message_that_hand_out_a_session_keep_an_answer() {
    for (name, calls) in [("set-cookie", 2), ("x-auth-token", 2), ("x-mine", 2), ("x-other", 1)] {
        for web in [false, true] {
            let layer = HttpSingleflightLayer::new().grpc(["/p.S/Get"]).keep_header(HeaderName::from_static("x-mine"));
            let mut bench: Keyed = bench(layer);
            let one = bench.call(grpc("p.S/Get", &[]));
            let mut other = bench.call(grpc("p.S/Get", &[]));
            let body = if web {
                let lines = format!("grpc-status: 5\r\n{name}: 1\r\n");
                OriginBody::full([&b"\x80\0\0\0"[..], &[lines.len() as u8][..], lines.as_bytes()].concat())
            } else {
                let (frames, body) = OriginBody::streamed();
                let fields = [("grpc-status", "5"), (name, "1")];
                let fields =
                    fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
                frames.trailers(HeaderMap::from_iter(fields));
                body
            };
            bench.next().await.answer(Response::new(body));
            bench.settle().await;
            if calls == 2 {
                let _ = other.poll();
            }
            assert_eq!(bench.count().await, calls, "{name}, gRPC-Web: {web}");
            if calls == 2 {
                bench.next().await.answer(ok(&[], "other"));
            }
            drop(one.await.unwrap().into_body().collect().await.unwrap());
            let content = other.await.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert_eq!(content == "other", calls == 2);
            assert!(bench.group.is_empty());
        }
    }
}

/// Whatever brings gRPC-Web may cut its frames: a session that comes in the second piece is no other's, and what hands out none
/// is shared as if it had come in one.
#[tokio::test]
async fn s07_a_trailers_frame_in_pieces_is_judged_as_a_whole() {
    for (lines, calls) in [("grpc-status: 5\r\nset-cookie: 1\r\n", 2), ("grpc-status: 5\r\ncontent-type: a\r\n", 1)] {
        let frame = [&b"\x80\0\0\0"[..], &[lines.len() as u8], lines.as_bytes()].concat();
        let text = BASE64_STANDARD.encode(&frame).into_bytes();
        for frame in [frame, text] {
            for at in [1, 4, 5, 8, 20, 24, frame.len() - 1] {
                let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]));
                let tasks = [(); 2].map(|()| tokio::spawn(bench.call(grpc("p.S/Get", &[])).into_inner()));
                let (frames, body) = OriginBody::streamed();
                bench.next().await.answer(Response::new(body));
                let (first, second) = frame.split_at(at);
                frames.bytes(first.to_vec());
                assert_eq!(bench.count().await, 1, "it is not judged yet");
                frames.bytes(second.to_vec());
                drop(frames);
                assert_eq!(bench.count().await, calls, "{lines:?} cut at {at}");
                if calls == 2 {
                    bench.next().await.answer(ok(&[], "other"));
                }
                let [mut own, mut others] = [0; 2];
                for task in tasks {
                    let content = task.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes();
                    own += usize::from(content == frame);
                    others += usize::from(content == "other");
                }
                assert_eq!((own, others), (3 - calls, calls - 1));
                assert!(bench.group.is_empty());
            }
        }
    }
}

/// Trailers that nobody has read are their leader's: compressed ones, ones that break off or do not end.
#[tokio::test]
async fn s07_a_trailers_frame_that_cannot_be_read_keeps_an_answer() {
    let large = [&b"\x80\0\x10\0\0"[..], &b"x: 1\r\n".repeat(20_000)].concat();
    for (frame, ends) in [(b"\x81\0\0\0\x01z".to_vec(), true), (b"\x80\0\0\0\x09x: 1".to_vec(), true), (large, false)] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]));
        let one = bench.call(grpc("p.S/Get", &[]));
        let mut other = bench.call(grpc("p.S/Get", &[]));
        let (frames, body) = OriginBody::streamed();
        bench.next().await.answer(Response::new(body));
        frame.chunks(40_000).for_each(|piece| frames.bytes(piece.to_vec()));
        let still = (!ends).then_some(frames);
        bench.settle().await;
        let _ = other.poll();
        assert_eq!(bench.count().await, 2);
        bench.next().await.answer(ok(&[], "other"));
        drop(still);
        assert_eq!(one.await.unwrap().into_body().collect().await.unwrap().to_bytes(), frame);
        assert_eq!(other.await.unwrap().into_body().collect().await.unwrap().to_bytes(), "other");
        assert!(bench.group.is_empty());
    }
}

/// They are kept for the readers, and a service may send any number of them.
#[tokio::test]
async fn s28_empty_frames_in_place_of_a_message_do_not_keep_a_head_back_for_ever() {
    let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]));
    let one = tokio::spawn(bench.call(grpc("p.S/Get", &[])).into_inner());
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(Response::new(body));
    (0..100_000).for_each(|_| frames.bytes(Vec::new()));
    // A poll takes a hundred of them at most.
    bench.settle().await;
    assert!(one.is_finished());
    drop(one.await.unwrap().unwrap());
    assert!(bench.group.is_empty());
}
