//! One body, all who wait.

use http_body::Body;
use http_body_util::BodyExt;
use tower_singleflight::HttpSingleflightLayer;

use crate::origin::{OriginBody, bench, get, request, status, text};

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
