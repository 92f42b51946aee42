//! What is compared of two answers, and what becomes of those that are not there to their end.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use tower_singleflight::{
    HttpSingleflightLayer,
    http::dry_run::{Colour, DryRun, Report},
};

use crate::origin::{Frames, OriginBody, Plain, bench, get, ok, status, text};

/// Lets two requests meet, and answers them so; returns what the callback was told that differs, and the report.
async fn two(dry_run: DryRun, answers: [Option<Response<OriginBody>>; 2]) -> (Vec<String>, Report) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let dry_run = dry_run.on_difference(move |difference| {
        assert_eq!(difference.route(), "other");
        assert_ne!(difference.parts().len(), 0);
        tells.lock().unwrap().extend(difference.parts().iter().map(ToString::to_string));
    });
    let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(dry_run));
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    for answer in answers {
        let held = bench.next().await;
        match answer {
            Some(response) => held.answer(response),
            None => held.fail("down"),
        }
    }
    for call in calls {
        if let Ok(response) = call.await {
            let _ = response.into_body().collect().await;
        }
    }
    let report = bench.layer.dry_run_report();
    assert_eq!(report.under_way(), (0, 0));
    let told = std::mem::take(&mut *told.lock().unwrap());
    (told, report)
}

fn counts(report: &Report) -> (u64, u64, (u64, u64)) {
    let route = &report.routes()[0];
    assert_eq!(route.saved(), route.same() + route.different() + route.not_compared().0 + route.not_compared().1);
    (route.same(), route.different(), route.not_compared())
}

fn streamed(send: impl Fn(&Frames)) -> Option<Response<OriginBody>> {
    let (frames, body) = OriginBody::streamed();
    send(&frames);
    Some(Response::new(body))
}

fn with_trailers(value: &'static str) -> Option<Response<OriginBody>> {
    streamed(|frames| {
        frames.data("rows");
        frames.trailers(HeaderMap::from_iter([("checksum".parse().unwrap(), value.parse().unwrap())]));
    })
}

#[tokio::test]
async fn every_part_of_an_answer_is_compared() {
    let plain = || Some(ok(&[], "rows"));
    let ignores = || DryRun::new().ignore_response_header("x-served-by");
    for (answers, expected) in [
        ([plain(), Some(ok(&[], "others"))], &["body"][..]),
        ([plain(), Some(ok(&[("etag", "1")], "rows"))], &["etag"]),
        ([Some(ok(&[("etag", "1")], "rows")), Some(ok(&[("etag", "2"), ("x-a", "")], "rows"))], &["etag", "x-a"]),
        ([plain(), Some(status(404, &[], "rows"))], &["status"]),
        ([plain(), None], &["failure"]),
        ([with_trailers("1"), with_trailers("2")], &["trailers"]),
        ([with_trailers("1"), with_trailers("1")], &[]),
        ([streamed(|frames| ["ro", "ws"].map(|data| frames.data(data)).into_iter().collect()), plain()], &[]),
        ([Some(ok(&[("date", "1"), ("age", "2")], "rows")), Some(ok(&[("ratelimit-limit", "3")], "rows"))], &[]),
        ([Some(ok(&[("x-served-by", "1")], "rows")), Some(ok(&[("x-served-by", "2")], "rows"))], &[]),
        // What followers do not get.
        ([plain(), Some(ok(&[("connection", "x-hop"), ("x-hop", "1"), ("set-cookie", "a")], "rows"))], &[]),
    ] {
        let (told, report) = two(ignores(), answers).await;
        assert_eq!(told, expected, "{report}");
        let different = u64::from(!expected.is_empty());
        assert_eq!(counts(&report), (1 - different, different, (0, 0)), "{report}");
        assert_eq!(report.routes()[0].colour(), if different == 0 { Colour::Green } else { Colour::Yellow });
    }
}

#[tokio::test]
async fn what_is_larger_than_is_compared_is_never_the_same() {
    let small = || DryRun::new().compare(4);
    let told = |text| [Some(ok(&[], "12345678")), Some(ok(&[], text))];
    let (_, report) = two(small(), told("12345678")).await;
    assert_eq!((counts(&report), report.routes()[0].colour()), ((0, 0, (1, 0)), Colour::Grey));
    let (_, report) = two(small(), told("1234xxxx")).await;
    assert_eq!(counts(&report), (0, 0, (1, 0)));
    for other in ["x2345678", "1234"] {
        let (_, report) = two(small(), told(other)).await;
        assert_eq!(counts(&report), (0, 1, (0, 0)), "{other}");
    }
    let (_, report) = two(DryRun::new().compare(0), [Some(ok(&[], "")), Some(ok(&[], ""))]).await;
    assert_eq!(counts(&report), (1, 0, (0, 0)));
    let (_, report) = two(small(), [None, None]).await;
    assert_eq!(counts(&report), (0, 0, (1, 0)));
}

#[tokio::test]
async fn bodies_that_are_cut_are_compared_only_up_to_the_same_length() {
    let cut = |data: &'static str| {
        streamed(|frames| {
            frames.data(data);
            frames.fail("cut");
        })
    };
    for (answers, expected) in [
        ([cut("ab"), cut("ab")], (1, 0, (0, 0))),
        ([cut("ab"), cut("ac")], (0, 1, (0, 0))),
        ([cut("ab"), cut("abc")], (0, 0, (0, 1))),
        ([cut("ab"), Some(ok(&[], "abc"))], (0, 0, (0, 1))),
    ] {
        let (_, report) = two(DryRun::new(), answers).await;
        assert_eq!(counts(&report), expected, "{report}");
    }
}

#[tokio::test]
async fn a_reader_that_needs_no_more_than_was_announced_has_read_all() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new()));
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    let mut frames = Vec::new();
    for _ in 0..2 {
        let (sender, body) = OriginBody::streamed();
        sender.data("rows");
        frames.push(sender);
        bench.next().await.answer(Response::builder().header("content-length", "4").body(body).unwrap());
    }
    let [one, other] = calls;
    let mut body = one.await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert!(frames[0].is_dropped());
    drop(frames);
    assert_eq!(text(other.await.unwrap()).await, "rows");
    assert_eq!(counts(&bench.layer.dry_run_report()), (1, 0, (0, 0)));
}

#[tokio::test]
async fn who_leaves_is_counted_and_compared_with_nobody() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new()));
    let under_way = |bench: &Plain| bench.layer.dry_run_report().under_way();
    // A follower leaves before the head; then its leader.
    let (leader, follower, other) = (bench.call(get("/x")), bench.call(get("/x")), bench.call(get("/x")));
    assert_eq!(under_way(&bench), (1, 3));
    drop(follower);
    assert_eq!(under_way(&bench), (1, 2));
    drop(leader);
    assert_eq!(under_way(&bench), (0, 0));
    let report = bench.layer.dry_run_report();
    assert_eq!((report.routes()[0].left(), report.saved()), ((1, 1), 0));
    // Its follower goes on all the same.
    let held = [bench.next().await, bench.next().await, bench.next().await];
    held.into_iter().last().unwrap().answer(ok(&[], "rows"));
    assert_eq!(text(other.await.unwrap()).await, "rows");

    // A follower leaves in mid-body: it has had what it would have had, and there is nothing to compare.
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    for _ in 0..2 {
        let (frames, body) = OriginBody::streamed();
        frames.data("rows");
        bench.next().await.answer(Response::new(body));
    }
    let [leader, follower] = calls;
    let leader = leader.await.unwrap();
    drop(follower.await.unwrap());
    assert_eq!(text(leader).await, "rows");
    let report = bench.layer.dry_run_report();
    assert_eq!((counts(&report), report.under_way()), ((0, 0, (0, 1)), (0, 0)));

    // The service panics: nothing is known of what its followers would have had.
    let calls = [bench.call(get("/x")), bench.call(get("/x"))].map(|call| tokio::spawn(call.into_inner()));
    bench.next().await.panic();
    bench.next().await.answer(ok(&[], "rows"));
    let [leader, follower] = calls;
    assert!(leader.await.unwrap_err().is_panic());
    assert_eq!(text(follower.await.unwrap().unwrap()).await, "rows");
    assert_eq!((bench.layer.dry_run_report().routes()[0].left(), under_way(&bench)), ((1, 2), (0, 0)));
}
