//! One body, all who wait.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{BodySource, Coalesced, LargeBodies, Rule},
};

use crate::origin::{Fault, OriginBody, Plain, bench, get, ok, request, status, text};

#[tokio::test]
async fn t45_every_reader_has_each_frame_before_the_next_is_made() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..5).map(|_| bench.call(get("/x"))).collect();
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().into_body());
    }
    for data in ["one", "two", "three"] {
        frames.data(data);
        for body in &mut bodies {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), data);
        }
    }
    drop(frames);
    for body in &mut bodies {
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn t46_s16_an_error_in_mid_body_is_every_readers_after_the_frames_before_it() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..5).map(|_| bench.call(get("/x"))).collect();
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    frames.data("one");
    frames.data("two");
    frames.fail("cut");
    for call in calls {
        let mut body = call.await.unwrap().into_body();
        for data in ["one", "two"] {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), data);
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.downcast_ref::<crate::origin::Fault>().is_some(), "{error}");
    }
}

#[tokio::test]
async fn t48_s18_trailers_reach_each_reader_as_trailers() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..3).map(|_| bench.call(get("/x"))).collect();
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    frames.data("x");
    frames.trailers([("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect());
    drop(frames);
    for call in calls {
        let response = call.await.unwrap();
        assert!(!response.headers().contains_key("grpc-status"));
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    }
}

#[tokio::test]
async fn t52_empty_bodies_are_known_to_be_empty_by_all() {
    for (method, code) in [("GET", 200), ("GET", 204), ("HEAD", 200)] {
        let mut bench = bench(HttpSingleflightLayer::new());
        let calls: Vec<_> = (0..3).map(|_| bench.call(request(method, "/x", &[]))).collect();
        bench.next().await.answer(status(code, &[], ""));
        for call in calls {
            let response = call.await.unwrap();
            assert!(response.body().is_end_stream());
            assert_eq!(response.body().size_hint().exact(), Some(0));
            assert_eq!(text(response).await, "");
        }
    }
}

#[tokio::test]
async fn a_lone_body_is_passed_through_with_its_own_hints() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let call = bench.call(get("/x"));
    bench.next().await.answer(status(200, &[], "rows"));
    let response = call.await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(4));
    assert_eq!(text(response).await, "rows");
}

/// A server that is told a size sends so many bytes, and never asks for what comes after them.
#[tokio::test]
async fn a_body_that_has_failed_tells_no_size_to_those_who_have_yet_to_begin() {
    let (frames, body) = OriginBody::streamed();
    let source = BodySource::new(body);
    let other = source.clone();
    let mut leader = source.into_reader();
    frames.data("one");
    frames.fail("cut");
    assert!(leader.frame().await.unwrap().is_ok());
    assert!(leader.frame().await.unwrap().is_err());
    let mut follower = other.into_reader();
    assert_eq!(follower.size_hint().exact(), None);
    assert!(!follower.is_end_stream());
    assert!(follower.frame().await.unwrap().is_ok());
    assert_eq!(follower.size_hint().exact(), None);
    assert!(follower.frame().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_cut_tells_no_size() {
    let (frames, body) = OriginBody::streamed();
    let source = BodySource::new(body).window(1).stall(std::time::Duration::from_secs(1));
    let other = source.clone();
    let mut fast = source.into_reader();
    frames.data("");
    frames.data("");
    drop(frames);
    while fast.frame().await.is_some() {}
    let mut slow = other.into_reader();
    assert_eq!(slow.size_hint().exact(), None);
    assert!(slow.frame().await.unwrap().unwrap_err().is_lagged());
}

/// Announces ten bytes, has four, and then says that this was all.
struct Short(bool);

impl Body for Short {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let first = !std::mem::replace(&mut self.0, true);
        Poll::Ready(first.then(|| Ok(Frame::data(Bytes::from_static(b"four")))))
    }

    fn is_end_stream(&self) -> bool {
        self.0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.0 { 0 } else { 10 })
    }
}

#[tokio::test]
async fn what_a_body_has_announced_is_its_size_whatever_it_says_later() {
    let source = BodySource::new(Short(false));
    let other = source.clone();
    let mut leader = source.into_reader();
    assert!(leader.frame().await.unwrap().is_ok());
    let follower = other.into_reader();
    assert_eq!(follower.size_hint().exact(), Some(10));
    assert_eq!(leader.size_hint().exact(), Some(6));
    assert!(!leader.is_end_stream());
    assert!(leader.frame().await.unwrap().unwrap_err().is_incomplete());
    assert!(follower.collect().await.unwrap_err().is_incomplete());
}

#[tokio::test]
async fn s16_a_server_that_begins_late_breaks_off_where_the_body_did() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (frames, body) = OriginBody::streamed();
    let source = BodySource::new(body);
    let other = source.clone();
    let mut leader = source.into_reader();
    frames.data("one");
    frames.fail("cut");
    while leader.frame().await.is_some_and(|frame| frame.is_ok()) {}

    let (mut client, server) = tokio::io::duplex(4096);
    let late = std::sync::Mutex::new(Some(other.into_reader()));
    let service = hyper::service::service_fn(move |_| {
        std::future::ready(Ok::<_, Fault>(Response::new(late.lock().unwrap().take().expect("one request"))))
    });
    let served = tokio::spawn(
        hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service),
    );
    client.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut sent = String::new();
    client.read_to_string(&mut sent).await.unwrap();
    assert!(!sent.contains("content-length"), "{sent}");
    assert!(!sent.ends_with("0\r\n\r\n"), "{sent}");
    assert!(served.await.unwrap().is_err());
}

const LARGE: usize = 3_800_000;

/// As `axum::Json` of a handler is: one frame, there at once.
#[tokio::test]
async fn a_large_body_that_is_there_at_once_is_shared() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..20).map(|_| bench.call(get("/x"))).collect();
    bench.next().await.answer(http::Response::new(OriginBody::full(vec![b'x'; LARGE])));
    for call in calls {
        assert_eq!(text(call.await.unwrap()).await.len(), LARGE);
    }
    assert_eq!(bench.count().await, 1);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn a_large_stream_that_was_announced_is_released_at_its_head() {
    for (large, expected) in [(LargeBodies::Alone, 3), (LargeBodies::Stream, 1)] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new().large_bodies(large));
        let calls: Vec<_> = (0..3).map(|_| bench.call(get("/x"))).collect();
        let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
        let (frames, body) = OriginBody::streamed();
        let length = LARGE.to_string();
        let head = http::Response::builder().header("content-length", &length);
        frames.data("the first of several");
        bench.next().await.answer(head.body(body).unwrap());
        assert_eq!(bench.count().await, expected);
        for _ in 1..expected {
            bench.next().await.answer(ok(&[], "own"));
        }
        let mut rules = Vec::new();
        for task in tasks {
            rules.push(task.await.unwrap().unwrap().extensions().get::<Coalesced>().unwrap().rule);
        }
        assert_eq!(rules, if expected == 3 { vec![Some(Rule::LargeBody); 3] } else { vec![None; 3] });
        assert!(bench.group.is_empty());
    }
}

/// A size that is announced, a body that is larger or smaller than the window, every mode: nobody hangs, and a frame that
/// is not all of it keeps it.
#[tokio::test]
async fn alone_a_first_frame_that_is_longer_or_shorter_than_announced_is_not_all() {
    for (announced, frame) in [("20", "0123456789"), ("9", "0123456789")] {
        let layer = HttpSingleflightLayer::new().window(8).large_bodies(LargeBodies::Alone);
        let mut bench: Plain = bench(layer);
        let one = bench.call(get("http://a/x"));
        let mut other = bench.call(get("http://a/x"));
        let (frames, body) = OriginBody::streamed();
        frames.data(frame);
        drop(frames);
        let answer = Response::builder().header("content-length", announced).body(body).unwrap();
        bench.next().await.answer(answer);
        bench.settle().await;
        let _ = other.poll();
        bench.next().await.answer(status(200, &[], "own"));
        assert_eq!(text(one.await.unwrap()).await, frame);
        assert_eq!(text(other.await.unwrap()).await, "own");
        assert!(bench.group.is_empty());
    }
}
