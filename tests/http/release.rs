//! Answers that followers may not have.

use http::Response;
use tower_singleflight::{HttpSingleflightLayer, Limits, Reason, Role, SharedBody, http::HttpGroup};

use crate::origin::{Bench, OriginBody, RequestBody, bench, bench_in, get, ok, role, status, text};

/// Lets six callers meet an answer; returns how many calls the origin got, each answered with its own number.
async fn calls_of_six(layer: HttpSingleflightLayer, code: u16, headers: &[(&str, &str)]) -> usize {
    let mut bench = bench(layer);
    let calls: Vec<_> = (0..6).map(|_| bench.call(get("/x"))).collect();
    let mut calls: Vec<_> =
        calls.into_iter().map(|call| tokio::spawn(async { text(call.await.unwrap()).await })).collect();
    bench.next().await.answer(status(code, headers, "0"));
    let mut count = 1;
    for number in ["1", "2", "3", "4", "5"] {
        if bench.count().await > count {
            bench.next().await.answer(status(code, headers, number));
            count += 1;
        }
    }
    let mut texts = Vec::new();
    for call in &mut calls {
        texts.push(call.await.unwrap());
    }
    texts.sort();
    texts.dedup();
    // Each caller has an answer of its own, or all have the leader's.
    assert_eq!(texts.len(), count, "{code} {headers:?}");
    assert!(bench.group.is_empty());
    bench.count().await
}

#[tokio::test]
async fn t22_t23_s07_s08_an_answer_for_one_user_stays_with_the_leader() {
    for headers in [
        &[("set-cookie", "id=1")][..],
        &[("set-cookie", "id=1"), ("set-cookie", "b=2")],
        &[("cache-control", "private")],
        &[("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[("cache-control", "private=\"x\"")],
        &[("cache-control", "NO-STORE")],
        &[("cache-control", "max-age=60"), ("cache-control", "private")],
        &[("cdn-cache-control", "private")],
        &[("surrogate-control", "no-store")],
        &[("vary", "*")],
        &[("vary", "accept, *")],
        &[("vary", "accept"), ("vary", "*")],
        &[("vary", "not a token")],
    ] {
        assert_eq!(calls_of_six(HttpSingleflightLayer::new(), 200, headers).await, 6, "{headers:?}");
    }
}

#[tokio::test]
async fn t24_public_and_plain_answers_are_shared() {
    for headers in [&[("cache-control", "public, max-age=60")][..], &[], &[("cache-control", "max-age=0")]] {
        assert_eq!(calls_of_six(HttpSingleflightLayer::new(), 200, headers).await, 1, "{headers:?}");
    }
}

#[tokio::test]
async fn t28_s10_statuses_about_one_request_stay_with_the_leader() {
    for code in [206, 304, 401, 403, 407, 408, 421, 425, 429, 431, 511] {
        assert_eq!(calls_of_six(HttpSingleflightLayer::new(), code, &[]).await, 6, "{code}");
    }
    for code in [200, 204, 404, 301, 308, 410] {
        assert_eq!(calls_of_six(HttpSingleflightLayer::new(), code, &[]).await, 1, "{code}");
    }
}

#[tokio::test]
async fn t44_server_errors_are_shared_unless_told_otherwise() {
    for code in [500, 502, 503, 504] {
        assert_eq!(calls_of_six(HttpSingleflightLayer::new(), code, &[]).await, 1, "{code}");
        assert_eq!(calls_of_six(HttpSingleflightLayer::new().share_server_errors(false), code, &[]).await, 6, "{code}");
    }
}

#[tokio::test]
async fn stripped_of_its_cookies_an_answer_reaches_followers() {
    let mut bench = bench(HttpSingleflightLayer::new().strip_set_cookie());
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    bench.next().await.answer(ok(&[("set-cookie", "id=1")], "x"));
    for call in calls {
        let response = call.await.unwrap();
        assert_eq!(response.headers().contains_key("set-cookie"), role(&response) == Role::Leader);
    }
    assert_eq!(bench.count().await, 1);
}

#[tokio::test]
async fn s05_authorized_requests_share_what_the_response_allows() {
    let layer = || HttpSingleflightLayer::new().share_authorized();
    for (headers, expected) in [
        (&[("cache-control", "public")][..], 1),
        (&[("cache-control", "s-maxage=5")], 1),
        (&[("cache-control", "must-revalidate")], 1),
        (&[("cache-control", "max-age=5")], 2),
        (&[], 2),
    ] {
        let mut bench = bench(layer());
        let with = || crate::origin::get_with("/x", &[("authorization", "Bearer a")]);
        let calls = [bench.call(with()), bench.call(with())];
        let tasks = calls.map(|call| tokio::spawn(async { text(call.await.unwrap()).await }));
        bench.next().await.answer(ok(headers, "x"));
        if expected == 2 {
            bench.next().await.answer(ok(headers, "x"));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(bench.count().await, expected, "{headers:?}");
    }
}

type Answers = Vec<tokio::task::JoinHandle<Response<SharedBody<OriginBody>>>>;

fn burst(bench: &mut Bench<tower_singleflight::http::Heads, RequestBody>, callers: usize) -> Answers {
    let calls: Vec<_> = (0..callers).map(|_| bench.call(get("/x"))).collect();
    calls.into_iter().map(|call| tokio::spawn(async { call.await.unwrap() })).collect()
}

#[tokio::test]
async fn d3_released_followers_go_all_at_once_and_the_next_burst_does_not_wait() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let first = burst(&mut bench, 50);
    assert_eq!(bench.count().await, 1);
    bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    assert_eq!(bench.count().await, 50);
    for _ in 1..50 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    let mut released = 0;
    for answer in first {
        released += usize::from(role(&answer.await.unwrap()) == Role::Alone(Reason::NotShareable));
    }
    assert_eq!(released, 49);

    let second = burst(&mut bench, 50);
    assert_eq!(bench.count().await, 100);
    // The first answer that can be shared ends it.
    for _ in 0..50 {
        bench.next().await.answer(ok(&[], "x"));
    }
    for answer in second {
        answer.await.unwrap();
    }
    let third = burst(&mut bench, 50);
    assert_eq!(bench.count().await, 101);
    bench.next().await.answer(ok(&[], "x"));
    for answer in third {
        answer.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_unshareable_is_forgotten_after_a_while() {
    let mut bench = bench(HttpSingleflightLayer::new().remember_unshareable(std::time::Duration::from_secs(3)));
    let answers = burst(&mut bench, 2);
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    for answer in answers {
        answer.await.unwrap();
    }
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let alone = burst(&mut bench, 2);
    assert_eq!(bench.count().await, 4);
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let together = burst(&mut bench, 2);
    assert_eq!(bench.count().await, 5);
    alone.into_iter().chain(together).for_each(|answer| answer.abort());
    bench.settle().await;
}

#[tokio::test]
async fn release_limit_bounds_the_calls_of_released_followers() {
    let mut bench = bench(HttpSingleflightLayer::new().release_limit(8));
    let answers = burst(&mut bench, 101);
    bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    let mut answered = 1;
    while answered < 101 {
        let held = bench.count().await - answered;
        assert!((1..=8).contains(&held), "{held} calls at a time");
        for _ in 0..held {
            bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
        }
        answered += held;
    }
    for answer in answers {
        answer.await.unwrap();
    }
    assert_eq!(bench.count().await, 101);
}

#[tokio::test]
async fn an_overloaded_origin_is_not_sent_the_next_burst() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let first = burst(&mut bench, 3);
    for _ in 0..3 {
        bench.next().await.answer(status(429, &[], ""));
    }
    for answer in first {
        answer.await.unwrap();
    }
    let second = burst(&mut bench, 3);
    assert_eq!(bench.count().await, 4);
    second.into_iter().for_each(|answer| answer.abort());
    bench.settle().await;
}

#[tokio::test]
async fn what_is_remembered_for_ever_stays_so() {
    let mut bench = bench(HttpSingleflightLayer::new().remember_unshareable(std::time::Duration::MAX));
    let first = burst(&mut bench, 2);
    for _ in 0..2 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
    }
    for answer in first {
        answer.await.unwrap();
    }
    let second = burst(&mut bench, 2);
    assert_eq!(bench.count().await, 4);
    second.into_iter().for_each(|answer| answer.abort());
    bench.settle().await;
}

#[tokio::test]
async fn what_nobody_waited_for_is_not_remembered() {
    let mut bench = bench(HttpSingleflightLayer::new());
    for answered in 1..3 {
        let lone = burst(&mut bench, 1);
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
        for answer in lone {
            answer.await.unwrap();
        }
        assert_eq!(bench.count().await, answered);
    }
    let together = burst(&mut bench, 2);
    assert_eq!(bench.count().await, 3);
    together.into_iter().for_each(|answer| answer.abort());
    bench.settle().await;
}

#[tokio::test]
async fn a_release_limit_holds_up_nobody_else() {
    let mut limits = Limits::new();
    limits.max_followers = 1;
    let mut bench = bench_in(HttpSingleflightLayer::new().release_limit(1), HttpGroup::with_limits(limits));
    let calls: Vec<_> = (0..4).map(|_| bench.call(get("/x"))).collect();
    // One leads, one follows, two find no place.
    assert_eq!(bench.count().await, 3);
    drop(calls);
}

#[tokio::test]
async fn a_permit_is_free_when_the_answer_is_there() {
    let mut bench = bench(HttpSingleflightLayer::new().release_limit(1));
    let mut calls: Vec<_> = (0..3).map(|_| (bench.call(get("/x")), false)).collect();
    for answered in 1..4 {
        bench.next().await.answer(ok(&[("cache-control", "private")], "x"));
        bench.settle().await;
        for (call, done) in &mut calls {
            *done = *done || call.poll().is_ready();
        }
        // Futures that have completed are still there.
        assert_eq!(calls.iter().filter(|call| call.1).count(), answered);
        assert_eq!(bench.count().await, (answered + 1).min(3));
    }
}
