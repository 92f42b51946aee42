//! Content in the key: digested as the service reads it.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::advance;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{Contents, Rule, dry_run::DryRun},
};

use crate::{
    grpc::{grpc, in_trailers},
    herd::Task,
    origin::{Keyed, OriginBody, RequestBody, bench, ok, text},
};

fn query(content: &'static str) -> Request<RequestBody> {
    Request::builder().method("QUERY").uri("/x").body(Full::from(content)).unwrap()
}

fn layer() -> HttpSingleflightLayer<Contents> {
    HttpSingleflightLayer::new().methods([Method::from_bytes(b"QUERY").unwrap()]).content_key(16)
}

type Answer = fn(Bytes) -> Response<OriginBody>;

/// Sends bursts of requests, reads the content of each at once, and answers them; returns how many calls that took.
async fn send(bench: &mut Keyed, bursts: [Vec<Request<RequestBody>>; 2], answer: Answer) -> usize {
    let mut tasks: Vec<Task> = Vec::new();
    let mut held = Vec::new();
    for (requests, passes) in bursts.into_iter().zip([6, 4]) {
        let calls: Vec<_> = requests.into_iter().map(|request| bench.call(request)).collect();
        tasks.extend(calls.into_iter().map(|call| tokio::spawn(call.into_inner())));
        bench.settle().await;
        while let Ok(mut one) = bench.held.try_recv() {
            let content = one.request.body_mut().collect().await.unwrap().to_bytes();
            held.push((one, content));
        }
        advance(Duration::from_secs(passes)).await;
    }
    let mut calls = 0;
    while !held.is_empty() {
        for (one, content) in held.drain(..) {
            one.answer(answer(content));
            calls += 1;
            bench.settle().await;
        }
        while let Ok(mut one) = bench.held.try_recv() {
            let content = one.request.body_mut().collect().await.unwrap().to_bytes();
            held.push((one, content));
        }
    }
    for task in tasks {
        text(task.await.unwrap().unwrap()).await;
    }
    calls
}

async fn saved(
    layer: HttpSingleflightLayer<Contents>,
    bursts: impl Fn() -> [Vec<Request<RequestBody>>; 2],
    answer: Answer,
) -> u64 {
    let (mut real, mut dry): (Keyed, Keyed) = (bench(layer.clone()), bench(layer.dry_run(DryRun::new())));
    let sent: usize = bursts().iter().map(Vec::len).sum();
    let calls = send(&mut real, bursts(), answer).await;
    assert_eq!(send(&mut dry, bursts(), answer).await, sent);
    let report = dry.layer.dry_run_report();
    assert_eq!((report.saved(), report.under_way()), ((sent - calls) as u64, (0, 0)), "{report}");
    report.saved()
}

#[tokio::test(start_paused = true)]
async fn s15_t21_equal_content_would_share_and_different_content_would_not() {
    let echo: Answer = |content| Response::new(OriginBody::full(content));
    assert_eq!(saved(layer(), || [["a", "b", "a"].map(query).into(), vec![query("b")]], echo).await, 2);
    // More than is read for the key; and a `GET` without any.
    let large = "seventeen bytes..";
    assert_eq!(saved(layer(), || [vec![query(large), query(large)], vec![]], echo).await, 0);
    let get = || crate::origin::get("/x");
    assert_eq!(saved(layer(), || [vec![get(), get()], vec![query("a")]], echo).await, 1);
}

/// It would have saved what the layer sends alone.
#[tokio::test(start_paused = true)]
async fn s15_content_of_another_length_than_is_announced_would_go_alone() {
    let rows: Answer = |_| ok(&[], "rows");
    let announced = |lengths: &[&'static str]| {
        let mut request = query("abc");
        for length in lengths {
            request.headers_mut().append("content-length", length.parse().unwrap());
        }
        request
    };
    for (lengths, shared) in [(&["3"][..], 1), (&["3", "3"], 1), (&["2"], 0), (&["3", "4"], 0), (&["03"], 0)] {
        assert_eq!(saved(layer(), || [[lengths; 2].map(announced).into(), vec![]], rows).await, shared, "{lengths:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn d11_content_is_asked_about_where_it_comes_in_one_piece() {
    let rows: Answer = |_| ok(&[], "rows");
    let reads = layer().content_if(|parts, content| parts.uri.path() == "/x" && content.starts_with(b"read"));
    let bursts = || [["read", "write", "read", "write"].map(query).into(), vec![]];
    assert_eq!(saved(reads, bursts, rows).await, 1);
}

#[tokio::test(start_paused = true)]
async fn d3_content_whose_answers_were_not_shareable_would_go_alone_for_a_while() {
    let private: Answer = |_| ok(&[("cache-control", "private")], "rows");
    let rows: Answer = |_| ok(&[], "rows");
    let layer = layer().remember_unshareable(Duration::from_secs(60));
    let (mut real, mut dry): (Keyed, Keyed) = (bench(layer.clone()), bench(layer.dry_run(DryRun::new())));
    for answer in [private, rows] {
        let twice = || [vec![query("a"), query("a")], vec![]];
        assert_eq!([send(&mut real, twice(), answer).await, send(&mut dry, twice(), answer).await], [2, 2]);
    }
    assert_eq!(dry.layer.dry_run_report().saved(), 0);
}

#[tokio::test]
async fn who_is_answered_before_the_content_has_been_read_is_not_watched() {
    let mut bench: Keyed = bench(layer().dry_run(DryRun::new()));
    let calls = [bench.call(query("a")), bench.call(query("a"))];
    for call in calls {
        bench.next().await.answer(ok(&[], "rows"));
        text(call.await.unwrap()).await;
    }
    let report = bench.layer.dry_run_report();
    assert_eq!((report.saved(), report.routes()[0].not_read(), report.under_way()), (0, 2, (0, 0)));
}

#[tokio::test]
async fn what_a_rule_sends_alone_is_not_digested() {
    let mut bench: Keyed = bench(layer().dry_run(DryRun::new()));
    let mut post = query("a");
    *post.method_mut() = Method::POST;
    let call = bench.call(post);
    bench.next().await.answer(ok(&[], "rows"));
    text(call.await.unwrap()).await;
    assert_eq!(bench.layer.dry_run_report().routes()[0].alone(), [(Rule::S1Method, 1)]);
}

#[tokio::test(start_paused = true)]
async fn s28_d09_grpc_statuses_in_the_head_or_behind_it() {
    let layer = || HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]);
    let calls = |fields: &[(&str, &str)]| vec![grpc("pkg.Service/Get", fields), grpc("pkg.Service/Get", fields)];
    let bursts = || [calls(&[("grpc-timeout", "9S")]), calls(&[])];
    for (answer, expected) in [
        ((|_| in_trailers("0", Some("m"))) as Answer, 3),
        (|_| in_trailers("5", None), 3),
        (|_| in_trailers("14", None), 2),
        (|_| in_trailers("16", None), 0),
        (|_| in_trailers("4", None), 0),
        (|_| ok(&[("grpc-status", "4")], ""), 0),
        (|_| ok(&[("grpc-status", "0")], ""), 3),
        (|_| in_trailers("4", Some("m")), 3),
    ] {
        let reported = saved(layer(), bursts, answer).await;
        assert_eq!(reported, expected, "{:?}", answer(Bytes::new()));
    }
}

/// An answer of a frame of trailers of gRPC-Web-text, which comes in three pieces.
fn in_pieces(lines: &str) -> Response<OriginBody> {
    let frame = [&b"\x80\0\0\0"[..], &[lines.len() as u8], lines.as_bytes()].concat();
    let frame = BASE64_STANDARD.encode(frame).into_bytes();
    let (frames, body) = OriginBody::streamed();
    for piece in [&frame[..3], &frame[3..8], &frame[8..]] {
        frames.bytes(piece.to_vec());
    }
    Response::new(body)
}

#[tokio::test(start_paused = true)]
async fn s07_s28_trailers_of_grpc_web_in_pieces_are_judged_as_a_whole() {
    let layer = || HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]);
    let calls = || vec![grpc("pkg.Service/Get", &[]), grpc("pkg.Service/Get", &[])];
    for (answer, expected) in [
        ((|_| in_pieces("grpc-status: 5\r\n")) as Answer, 3),
        (|_| in_pieces("grpc-status: 14\r\n"), 3),
        (|_| in_pieces("grpc-status: 16\r\n"), 0),
        (|_| in_pieces("grpc-status: 5\r\nset-cookie: 1\r\n"), 0),
    ] {
        let reported = saved(layer(), || [calls().into_iter().chain(calls()).collect(), vec![]], answer).await;
        assert_eq!(reported, expected, "{:?}", answer(Bytes::new()));
    }
}

#[tokio::test]
async fn the_content_reaches_the_service_frame_by_frame() {
    let service = layer().dry_run(DryRun::new()).layer(tower::service_fn(|request: Request<_>| async {
        let content: Bytes = BodyExt::collect(request.into_body()).await.unwrap().to_bytes();
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(content)))
    }));
    let response = service.clone().call(query("a")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a");
}
