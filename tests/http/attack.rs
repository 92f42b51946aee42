//! What was tried against the layer, and no longer works.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::mpsc;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer, Limits, Role,
    http::{BodySource, ContentBody, Contents, Heads, HttpGroup, HttpSingleflight},
};

use crate::origin::{
    Bench, Fault, Held, Origin, OriginBody, RequestBody, bench, bench_in, get, get_with, ok, request, role, text,
};

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

type Two = (HttpSingleflight<Origin<RequestBody>>, HttpSingleflight<Origin<RequestBody>>);

/// Two layers with one group, over one origin.
fn two(one: HttpSingleflightLayer, other: HttpSingleflightLayer) -> (Two, mpsc::UnboundedReceiver<Held<RequestBody>>) {
    let group = HttpGroup::new();
    let (sender, held) = mpsc::unbounded_channel();
    let origin = Origin::new(sender);
    let services = (one.group(group.clone()).layer(origin.clone()), other.group(group).layer(origin));
    (services, held)
}

#[tokio::test]
async fn s21_a_write_through_one_layer_fences_the_flights_of_another_in_its_group() {
    let ((mut reads, mut writes), mut held) = two(HttpSingleflightLayer::new(), HttpSingleflightLayer::new());
    let mut before = tokio_test::task::spawn(reads.call(get("/x")));
    assert!(before.poll().is_pending());
    let mut write = tokio_test::task::spawn(writes.call(request("PUT", "/x", &[])));
    assert!(write.poll().is_pending());
    let first = held.try_recv().unwrap();
    held.try_recv().unwrap().answer(ok(&[], "written"));
    assert!(write.poll().is_ready());
    let mut after = tokio_test::task::spawn(reads.call(get("/x")));
    assert!(after.poll().is_pending());
    assert!(held.try_recv().is_ok(), "the read after the write is a call of its own");
    assert!(held.try_recv().is_err());
    drop(first);
}

#[tokio::test]
async fn s19_s24_a_follower_gets_what_its_own_layer_was_told_whichever_its_leader_came_through() {
    for named_leads in [false, true] {
        let named = HttpSingleflightLayer::new().share_extension::<u32>().cache_status("named");
        let ((mut named, mut plain), mut held) = two(named, HttpSingleflightLayer::new());
        let (leader, follower) = if named_leads {
            (named.call(get("/x")), plain.call(get("/x")))
        } else {
            let leader = plain.call(get("/x"));
            (leader, named.call(get("/x")))
        };
        let calls = [leader, follower].map(tokio::spawn);
        let mut response = ok(&[], "x");
        response.extensions_mut().insert(7_u32);
        held.recv().await.unwrap().answer(response);
        for (call, by_named) in calls.into_iter().zip([named_leads, !named_leads]) {
            let response = call.await.unwrap().unwrap();
            assert_eq!(response.headers().contains_key("cache-status"), by_named);
            let extended = response.extensions().get::<u32>().is_some();
            assert_eq!(extended, by_named || role(&response) == Role::Leader);
        }
    }
}

#[tokio::test]
async fn s07_no_follower_gets_the_leaders_cookies_whichever_layer_it_came_through() {
    let ((mut strips, mut keeps), mut held) =
        two(HttpSingleflightLayer::new().strip_set_cookie(), HttpSingleflightLayer::new());
    let (leader, follower) = (strips.call(get("/x")), keeps.call(get("/x")));
    let calls = [leader, follower].map(tokio::spawn);
    held.recv().await.unwrap().answer(ok(&[("set-cookie", "id=1")], "x"));
    for call in calls {
        let response = call.await.unwrap().unwrap();
        assert_eq!(response.headers().contains_key("set-cookie"), role(&response) == Role::Leader);
    }
}

#[tokio::test]
async fn s05_an_anonymous_answer_that_says_nothing_is_not_for_a_user() {
    for (said, expected) in [(&[][..], 2), (&[("cache-control", "public")], 1)] {
        let mut bench = bench(HttpSingleflightLayer::new().share_authorized());
        let calls = [
            bench.call(get("/x")),
            bench.call(get("/x")),
            bench.call(get_with("/x", &[("authorization", "Bearer a")])),
        ];
        let tasks = calls.map(|call| tokio::spawn(async { text(call.await.unwrap()).await }));
        bench.next().await.answer(ok(said, "guest"));
        assert_eq!(bench.count().await, expected);
        if expected == 2 {
            let held = bench.next().await;
            assert!(held.request.headers().contains_key("authorization"));
            held.answer(ok(said, "user"));
        }
        let [guest, other, user] = tasks;
        assert_eq!((guest.await.unwrap(), other.await.unwrap()), ("guest".into(), "guest".into()));
        assert_eq!(user.await.unwrap(), if expected == 2 { "user" } else { "guest" });
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn s21_a_method_that_may_coalesce_elsewhere_fences_where_it_may_not() {
    let layer = HttpSingleflightLayer::new()
        .methods([Method::POST])
        .coalesce_if(|parts| parts.method == Method::GET || parts.uri.path() == "/graphql");
    let mut bench = bench(layer);
    let before = bench.call(get("/orders"));
    let write = bench.call(request("POST", "/orders", &[]));
    let (reading, writing) = (bench.next().await, bench.next().await);
    writing.answer(ok(&[], "ordered"));
    write.await.unwrap();
    let after = bench.call(get("/orders"));
    assert_eq!(bench.count().await, 3);
    drop((before, reading, after));
}

fn grpc(fields: &[(&str, &str)]) -> Request<RequestBody> {
    let builder = Request::post("http://a/pkg.Service/Get").header("content-type", "application/grpc");
    let builder = fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Full::new(Bytes::from_static(b"m"))).unwrap()
}

#[tokio::test]
async fn s10_a_grpc_status_about_one_call_stays_with_the_leader() {
    for (status, expected) in [("4", 2), ("1", 2), ("7", 2), ("8", 2), ("16", 2), ("0", 1), ("5", 1)] {
        let mut bench: Bench<Contents, ContentBody<RequestBody>> =
            bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
        let hasty = bench.call(grpc(&[("grpc-timeout", "1m")]));
        let patient = bench.call(grpc(&[("grpc-timeout", "10S")]));
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

/// Lets callers of as many variants meet an answer that varies.
async fn most_at_a_time(bench: &mut Bench<Heads, RequestBody>, plans: &[&str], said: &[(&str, &str)]) -> usize {
    let calls: Vec<_> = plans.iter().map(|plan| bench.call(get_with("/x", &[("referer", plan)]))).collect();
    let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(async { text(call.await.unwrap()).await })).collect();
    bench.next().await.answer(ok(&[("vary", "referer")], "x"));
    let mut most = 0;
    loop {
        bench.settle().await;
        match bench.held.len() {
            0 => break,
            held => most = most.max(held),
        }
        bench.next().await.answer(ok(said, "x"));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(bench.group.is_empty());
    most
}

#[tokio::test]
async fn d3_a_release_limit_holds_for_those_who_regroup() {
    let mut bench = bench(HttpSingleflightLayer::new().release_limit(2));
    let plans = ["a", "b", "c", "d", "e", "f", "g", "h"];
    assert_eq!(most_at_a_time(&mut bench, &plans, &[("vary", "referer")]).await, 2);
}

#[tokio::test]
async fn d3_a_release_limit_holds_for_variants_that_are_known_to_be_unshareable() {
    let mut bench = bench(HttpSingleflightLayer::new().release_limit(2));
    let plans = ["a", "b", "b", "b", "b", "b", "b", "b"];
    for _ in 0..2 {
        assert!(most_at_a_time(&mut bench, &plans, &[("cache-control", "private")]).await <= 2);
    }
}

#[tokio::test]
async fn d3_a_release_limit_holds_for_those_who_find_no_flight_to_regroup_on() {
    let mut limits = Limits::new();
    limits.max_flights = 1;
    let mut bench = bench_in(HttpSingleflightLayer::new().release_limit(1), HttpGroup::with_limits(limits));
    assert_eq!(most_at_a_time(&mut bench, &["a", "b", "c", "d"], &[("vary", "referer")]).await, 1);
}

#[tokio::test]
async fn a_regrouped_caller_that_leaves_gives_its_permit_back() {
    let mut bench = bench(HttpSingleflightLayer::new().release_limit(1));
    let mut calls: Vec<_> = ["a", "b", "c"].map(|plan| bench.call(get_with("/x", &[("referer", plan)]))).into();
    bench.next().await.answer(ok(&[("vary", "referer")], "a"));
    bench.settle().await;
    for call in &mut calls {
        let _ = call.poll();
    }
    let held = bench.next().await;
    assert_eq!(held.request.headers()["referer"], "b");
    drop(calls.remove(1));
    let last = calls.remove(1);
    let last = tokio::spawn(async { text(last.await.unwrap()).await });
    let next = bench.next().await;
    assert_eq!(next.request.headers()["referer"], "c");
    next.answer(ok(&[], "c"));
    assert_eq!(last.await.unwrap(), "c");
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

#[tokio::test]
async fn what_a_handler_reads_instead_of_the_target_tells_apart() {
    for (name, one, other, expected) in [
        ("last-event-id", "10", "42", 2),
        ("x-original-url", "/admin", "/", 2),
        ("x-rewrite-url", "/admin", "/", 2),
        ("x-forwarded-port", "80", "443", 2),
        ("x-forwarded-prefix", "/a", "/b", 2),
        ("forwarded", "host=a", "host=b", 2),
        ("forwarded", "for=1;Host=\"a\"", "for=1;host=b", 2),
        ("forwarded", "for=1;proto=http", "for=1;proto=https", 2),
        ("forwarded", "for=1, for=2;proto=http", "for=1;proto=http, for=2", 2),
        ("forwarded", "host=a", "host=a, for=2", 2),
        ("forwarded", "for=1;proto=http", "for=2; proto=\"http\"", 1),
        ("forwarded", "for=1;host=a", "for=2;host=a", 1),
        ("forwarded", "for=\"[::1]:1\"", "for=\"[::2]:1\"", 1),
        // Out of order: who reads it reads something else.
        ("forwarded", "for=\"x;host=a", "for=\"x;host=a", 2),
    ] {
        let mut bench = bench(HttpSingleflightLayer::new());
        let calls = [one, other].map(|value| bench.call(get_with("/x", &[(name, value)])));
        assert_eq!(bench.count().await, expected, "{name}: {one} {other}");
        drop(calls);
    }
}
