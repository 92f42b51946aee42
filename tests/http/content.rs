//! Request content in the key.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer, Reason, Role,
    http::{Coalesced, ContentBody, Contents, HttpGroup, Rule},
};

use crate::origin::{Bench, Fault, Held, Keyed, Origin, RequestBody, bench, coalesced, get, ok, request, role, text};

fn query(content_type: &str, content: &'static str) -> Request<RequestBody> {
    let builder = Request::builder().method("QUERY").uri("/x").header("content-type", content_type);
    builder.body(Full::new(Bytes::from_static(content.as_bytes()))).unwrap()
}

fn layer() -> HttpSingleflightLayer<Contents> {
    HttpSingleflightLayer::new().methods([Method::from_bytes(b"QUERY").unwrap()]).content_key(16)
}

async fn calls_of(first: Request<RequestBody>, second: Request<RequestBody>) -> usize {
    let mut bench: Keyed = bench(layer());
    let expected = [&first, &second].map(|request| http_body::Body::size_hint(request.body()).exact().unwrap());
    let tasks =
        [bench.call(first), bench.call(second)].map(|call| tokio::spawn(async { text(call.await.unwrap()).await }));
    let count = bench.count().await;
    for _ in 0..count {
        let held = bench.next().await;
        // Whole and unchanged.
        let content = held.request.into_body().collect().await.unwrap().to_bytes();
        assert!(expected.contains(&(content.len() as u64)));
        // The answer is dropped with `held`'s request taken apart; see the tests below for it.
    }
    tasks.into_iter().for_each(|task| task.abort());
    bench.settle().await;
    count
}

#[tokio::test]
async fn t21_s15_equal_content_is_one_call_and_different_content_two() {
    assert_eq!(calls_of(query("text/plain", "a"), query("text/plain", "a")).await, 1);
    assert_eq!(calls_of(query("text/plain", "a"), query("text/plain", "b")).await, 2);
    assert_eq!(calls_of(query("text/plain", "a"), query("text/html", "a")).await, 2);
    assert_eq!(calls_of(query("text/plain", "sixteen bytes, 16"), query("text/plain", "sixteen bytes, 16")).await, 2);
}

#[tokio::test]
async fn all_callers_of_equal_content_get_the_answer() {
    let mut bench: Keyed = bench(layer());
    let calls = [bench.call(query("text/plain", "a")), bench.call(query("text/plain", "a"))];
    bench.next().await.answer(ok(&[], "rows"));
    let mut roles = Vec::new();
    for call in calls {
        let response = call.await.unwrap();
        roles.push(role(&response));
        assert_eq!(text(response).await, "rows");
    }
    assert_eq!(roles, [Role::Leader, Role::Follower]);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn without_a_content_key_content_goes_alone() {
    let mut bench: Bench<tower_singleflight::http::Heads, RequestBody> = bench(HttpSingleflightLayer::new());
    let with_content = || {
        let mut request = get("/x");
        *request.body_mut() = Full::new(Bytes::from_static(b"a"));
        request
    };
    let calls = [bench.call(with_content()), bench.call(with_content())];
    assert_eq!(bench.count().await, 2);
    for call in calls {
        bench.next().await.answer(ok(&[], "rows"));
        let Coalesced { role, rule, .. } = coalesced(&call.await.unwrap());
        assert_eq!((role, rule), (Role::Alone(Reason::NoKey), Some(Rule::S15Content)));
    }
    assert!(bench.group.is_empty());
}

/// Its trailers may still come, and who answers may look at them.
#[tokio::test]
async fn s15_a_body_of_no_bytes_that_has_not_ended_goes_alone() {
    let (sender, mut held) = mpsc::unbounded_channel();
    let group = HttpGroup::new();
    let mut service = HttpSingleflightLayer::new().group(group.clone()).layer(Origin::new(sender));
    let calls = ["1", "2"].map(|sum| {
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), sum.parse().unwrap())]);
        let body = Full::<Bytes>::default().with_trailers(ready(Some(Ok(trailers))));
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), false));
        let mut call = tokio_test::task::spawn(service.call(Request::get("/x").body(body).unwrap()));
        assert!(call.poll().is_pending());
        (call, sum)
    });
    for (call, sum) in calls {
        let mut held = held.try_recv().expect("each has a call of its own");
        let content = held.request.body_mut().collect().await.unwrap();
        assert_eq!(content.trailers().unwrap()["x-sum"], sum);
        held.answer(ok(&[], "rows"));
        let Coalesced { role, rule, .. } = coalesced(&call.await.unwrap());
        assert_eq!((role, rule), (Role::Alone(Reason::NoKey), Some(Rule::S15Content)));
    }
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_grpc_method_coalesces_by_message_and_metadata() {
    let grpc = |message: &'static str, metadata: &[(&str, &str)]| {
        let mut builder = Request::post("http://a/pkg.Service/Get")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in metadata {
            builder = builder.header(*name, *value);
        }
        builder.body(Full::new(Bytes::from_static(message.as_bytes()))).unwrap()
    };
    for (first, second, expected) in [
        (grpc("m", &[]), grpc("m", &[]), 1),
        (grpc("m", &[]), grpc("n", &[]), 2),
        (grpc("m", &[("x-tenant", "1")]), grpc("m", &[("x-tenant", "2")]), 2),
        (grpc("m", &[("grpc-timeout", "1S")]), grpc("m", &[("grpc-timeout", "2S")]), 1),
        (grpc("m", &[("authorization", "a")]), grpc("m", &[("authorization", "a")]), 2),
    ] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let calls = [bench.call(first), bench.call(second)];
        assert_eq!(bench.count().await, expected);
        drop(calls);
    }
    let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Other"]));
    let calls = [bench.call(grpc("m", &[])), bench.call(grpc("m", &[]))];
    assert_eq!(bench.count().await, 2);
    drop(calls);
}

#[tokio::test]
async fn a_leaders_own_deadline_fails_nobody_else() {
    let grpc = |timeout: &str| {
        let builder = Request::post("http://a/pkg.Service/Get").header("content-type", "application/grpc");
        builder.header("grpc-timeout", timeout).body(Full::new(Bytes::from_static(b"m"))).unwrap()
    };
    let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
    let hasty = bench.call(grpc("1m"));
    let patient = tokio::spawn(bench.call(grpc("9S")).into_inner());
    bench.next().await.fail("deadline");
    assert!(hasty.await.is_err());
    bench.next().await.answer(ok(&[], "rows"));
    assert_eq!(text(patient.await.unwrap().unwrap()).await, "rows");
    assert_eq!(bench.count().await, 2);
}

/// What the origin got of a body: its data, whether trailers came, whether it failed.
async fn seen(frames: Vec<Result<http_body::Frame<Bytes>, crate::origin::Fault>>) -> String {
    use tower::{Layer, ServiceExt, service_fn};
    type Frames = futures_util::stream::Iter<std::vec::IntoIter<Result<http_body::Frame<Bytes>, crate::origin::Fault>>>;
    type Streamed = ContentBody<http_body_util::StreamBody<Frames>>;
    let service = layer().layer(service_fn(|request: Request<Streamed>| async move {
        let (mut body, mut seen) = (request.into_body(), String::new());
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) if frame.is_trailers() => seen.push('T'),
                Ok(frame) => seen.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Err(_) => seen.push('!'),
            }
        }
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::from(seen)))
    }));
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
    let request = Request::builder().method("QUERY").uri("/x").body(body).unwrap();
    let body = service.oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn s15_content_is_handed_on_whole_and_unchanged_whatever_it_is() {
    let data = |data: &'static str| Ok(http_body::Frame::data(Bytes::from_static(data.as_bytes())));
    let trailers = || Ok(http_body::Frame::trailers(http::HeaderMap::new()));
    // Within the cap of 16 bytes, in pieces, and empty.
    assert_eq!(seen(vec![data("one "), data(""), data("two")]).await, "one two");
    assert_eq!(seen(vec![]).await, "");
    // Over it, in one piece and in many.
    assert_eq!(seen(vec![data("a long piece of content")]).await, "a long piece of content");
    assert_eq!(seen((0..100).map(|_| data("xy")).collect()).await, "xy".repeat(100));
    // With trailers, and with an end that is none.
    assert_eq!(seen(vec![data("one"), trailers()]).await, "oneT");
    assert_eq!(seen(vec![data("one"), Err(crate::origin::Fault("cut"))]).await, "one!");
}

/// One byte of a large buffer, as a server's read buffer is.
struct Pinned(Arc<AtomicUsize>);

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        b"x"
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn pinned(live: &Arc<AtomicUsize>) -> Bytes {
    live.fetch_add(1, Ordering::SeqCst);
    Bytes::from_owner(Pinned(Arc::clone(live)))
}

#[tokio::test]
async fn s26_content_in_small_frames_keeps_no_more_than_its_bytes() {
    let live = Arc::new(AtomicUsize::new(0));
    let query = |frames: mpsc::UnboundedReceiver<Bytes>| {
        let frames = futures_util::stream::unfold(frames, |mut frames| async {
            frames.recv().await.map(|data| (Ok::<_, Fault>(Frame::data(data)), frames))
        });
        Request::builder().method("QUERY").uri("/x").body(StreamBody::new(Box::pin(frames))).unwrap()
    };
    let (sender, mut held) = mpsc::unbounded_channel();
    let layer = HttpSingleflightLayer::new().methods([Method::from_bytes(b"QUERY").unwrap()]).content_key(1000);
    let mut service = layer.layer(Origin::new(sender));
    let (frames, content) = mpsc::unbounded_channel();
    let mut call = tokio_test::task::spawn(service.call(query(content)));
    for _ in 0..900 {
        frames.send(pinned(&live)).unwrap();
        // Gives the channel its budget back.
        tokio::task::yield_now().await;
        assert!(call.poll().is_pending());
        assert!(live.load(Ordering::SeqCst) <= 1);
    }
    drop(frames);
    assert!(call.poll().is_pending());
    let Held { request, .. } = held.try_recv().unwrap();
    assert_eq!(request.body().size_hint().exact(), Some(900));
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "x".repeat(900));
}

#[tokio::test]
async fn s15_no_content_of_another_type_is_another_question() {
    let query = |content_type| request("QUERY", "/x", &[("content-type", content_type)]);
    let layer = HttpSingleflightLayer::new().methods([Method::from_bytes(b"QUERY").unwrap()]).content_key(16);
    let mut bench: Bench<Contents, ContentBody<RequestBody>> = bench(layer);
    let calls = [query("text/plain"), query("text/plain"), query("text/html")].map(|request| bench.call(request));
    assert_eq!(bench.count().await, 2);
    drop(calls);
}

/// The length that is announced is no part of the key, and who answers may look at it.
#[tokio::test]
async fn s15_content_of_another_length_than_is_announced_goes_alone() {
    let query = |length: &str| {
        let request = Request::builder().method("QUERY").uri("/x").header("content-length", length);
        request.body(Full::new(Bytes::from_static(b"abc"))).unwrap()
    };
    for (lengths, expected) in [
        (["3", "3"], 1),
        (["99", "3"], 2),
        (["3", "2"], 2),
        (["99", "99"], 2),
        (["0", "3"], 2),
        (["03", "3"], 2),
        (["x", "3"], 2),
    ] {
        let mut bench: Keyed = bench(layer());
        let calls = lengths.map(|length| bench.call(query(length)));
        assert_eq!(bench.count().await, expected, "{lengths:?}");
        for _ in 0..expected {
            let held = bench.next().await;
            let seen = held.request.headers()["content-length"].to_str().unwrap().to_owned();
            held.answer(ok(&[("x-seen", &seen)], ""));
        }
        for (call, length) in calls.into_iter().zip(lengths) {
            let response = call.await.unwrap();
            assert_eq!(response.headers()["x-seen"], *length, "{lengths:?}");
            let alone = (length != "3").then_some(Rule::S15Content);
            assert_eq!(coalesced(&response).rule, alone, "{length}");
        }
        assert!(bench.group.is_empty());
    }
}
