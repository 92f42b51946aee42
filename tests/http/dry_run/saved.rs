//! What the report says would have been saved is what the layer saves: each schedule is run through both.

use std::time::Duration;

use http::{Request, Response, Version};
use tokio::time::advance;
use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    http::{DryRun, HttpGroup},
};

use crate::{
    herd::Task,
    origin::{OriginBody, Plain, RequestBody, bench_in, get, get_with, ok, request, status},
};

type Fields = &'static [(&'static str, &'static str)];

/// What a request is answered with; `None`: the service fails.
pub(super) type Script<'a> = &'a dyn Fn(&Request<RequestBody>) -> Option<Response<OriginBody>>;

/// One burst of requests after the other: each with the time that passes behind it.
pub(super) type Bursts = Vec<(Vec<Request<RequestBody>>, Duration)>;

/// Sends some bursts, and answers all that the origin gets; returns how many calls that took.
async fn send(bench: &mut Plain, bursts: Bursts, script: Script<'_>) -> usize {
    let before = bench.count().await;
    let mut tasks: Vec<Task> = Vec::new();
    for (requests, passes) in bursts {
        let calls: Vec<_> = requests.into_iter().map(|request| bench.call(request)).collect();
        tasks.extend(calls.into_iter().map(|call| tokio::spawn(call.into_inner())));
        bench.settle().await;
        if !passes.is_zero() {
            advance(passes).await;
            // Timers have their turn.
            bench.settle().await;
        }
    }
    let mut answered = before;
    while answered < bench.count().await {
        let held = bench.next().await;
        match script(&held.request) {
            Some(response) => held.answer(response),
            None => held.fail("down"),
        }
        answered += 1;
    }
    for task in tasks {
        if let Ok(response) = task.await.unwrap() {
            let _ = http_body_util::BodyExt::collect(response.into_body()).await;
        }
    }
    answered - before
}

/// Lets both layers have the same schedules, one after the other; returns how many calls were saved by each of these.
pub(super) async fn saved_in(
    layer: HttpSingleflightLayer,
    limits: Limits,
    schedules: &[&dyn Fn() -> Bursts],
    script: Script<'_>,
) -> Vec<u64> {
    let mut real: Plain = bench_in(layer.clone(), HttpGroup::with_limits(limits));
    let mut dry: Plain = bench_in(layer.dry_run(DryRun::new()), HttpGroup::with_limits(limits));
    let (mut saved, mut reported) = (Vec::new(), 0);
    for schedule in schedules {
        let sent: usize = schedule().iter().map(|(requests, _)| requests.len()).sum();
        let calls = send(&mut real, schedule(), script).await;
        assert_eq!(send(&mut dry, schedule(), script).await, sent, "all go alone");
        let report = dry.layer.dry_run_report();
        assert_eq!(report.saved() - reported, (sent - calls) as u64, "\n{report}");
        assert_eq!(report.under_way(), (0, 0));
        reported = report.saved();
        saved.push((sent - calls) as u64);
    }
    saved
}

pub(super) async fn saved(layer: HttpSingleflightLayer, requests: &dyn Fn() -> Bursts, script: Script<'_>) -> u64 {
    saved_in(layer, Limits::new(), &[requests], script).await[0]
}

fn at_once(requests: Vec<Request<RequestBody>>) -> Bursts {
    vec![(requests, Duration::ZERO)]
}

pub(super) fn herd(callers: usize) -> Bursts {
    at_once((0..callers).map(|_| get("/x")).collect())
}

#[tokio::test(start_paused = true)]
async fn t01_t24_what_all_may_have() {
    let layer = HttpSingleflightLayer::new;
    assert_eq!(saved(layer(), &|| herd(100), &|_| Some(ok(&[], "rows"))).await, 99);
    for said in
        [&[("cache-control", "public, max-age=60")][..], &[("cache-control", "max-age=0")], &[("vary", "accept")]]
    {
        assert_eq!(saved(layer(), &|| herd(6), &|_| Some(ok(said, "rows"))).await, 5, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t22_t23_what_is_the_leaders() {
    let said: [Fields; 8] = [
        &[("set-cookie", "id=1")],
        &[("cache-control", "private")],
        &[("cache-control", "no-store")],
        &[("cache-control", "max-age=60"), ("cache-control", "private")],
        &[("cdn-cache-control", "private")],
        &[("vary", "*")],
        &[("x-csrf-token", "n")],
        &[("vary", "not a token")],
    ];
    for said in said {
        let saved = saved(HttpSingleflightLayer::new(), &|| herd(6), &|_| Some(ok(said, "rows"))).await;
        assert_eq!(saved, 0, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t25_s09_d3_who_varies() {
    let referers = |all: &[&str]| at_once(all.iter().map(|one| get_with("/x", &[("referer", one)])).collect());
    let vary = |_: &Request<RequestBody>| Some(ok(&[("vary", "referer")], "rows"));
    let layer = HttpSingleflightLayer::new;
    assert_eq!(saved(layer(), &|| referers(&["a", "b", "b", "", "a"]), &vary).await, 2);
    assert_eq!(saved(layer(), &|| referers(&["a", "a", "a"]), &vary).await, 2);
    // Among those who agree in one field, another one tells them apart.
    let two = || {
        let asked = [("a", "1"), ("b", "1"), ("b", "2"), ("b", "3"), ("a", "2"), ("b", "1")];
        at_once(asked.iter().map(|(a, b)| get_with("/x", &[("referer", a), ("user-agent", b)])).collect())
    };
    let by_referer = |request: &Request<RequestBody>| {
        let name = if request.headers()["referer"] == "a" { "referer" } else { "user-agent" };
        Some(ok(&[("vary", name)], "rows"))
    };
    assert_eq!(saved(layer(), &two, &by_referer).await, 2);
}

#[tokio::test(start_paused = true)]
async fn t28_s10_statuses() {
    let layer = HttpSingleflightLayer::new;
    for code in [206, 304, 401, 403, 407, 408, 421, 425, 426, 429, 431, 505, 508, 511] {
        assert_eq!(saved(layer(), &|| herd(6), &|_| Some(status(code, &[], "x"))).await, 0, "{code}");
    }
    for code in [200, 204, 404, 301, 308, 410, 500, 503] {
        assert_eq!(saved(layer(), &|| herd(6), &|_| Some(status(code, &[], "x"))).await, 5, "{code}");
    }
    assert_eq!(saved(layer(), &|| herd(6), &|_| None).await, 5);
    for failure in [Some(503), None] {
        let script = |_: &Request<RequestBody>| failure.map(|code| status(code, &[], "down"));
        assert_eq!(saved(layer().share_server_errors(false), &|| herd(6), &script).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn d9_one_odd_request_in_a_herd() {
    let bursts = || {
        let mut requests = vec![get_with("/x", &[("referer", "odd")])];
        requests.extend((0..100).map(|_| get("/x")));
        at_once(requests)
    };
    for code in [400, 401, 403, 407, 408, 411, 412, 413, 414, 415, 416, 417, 421, 425, 426, 428, 429, 431, 505, 508] {
        let script = |request: &Request<RequestBody>| {
            let odd = request.headers().contains_key("referer");
            Some(if odd { status(code, &[], "odd") } else { ok(&[], "rows") })
        };
        assert_eq!(saved(HttpSingleflightLayer::new(), &bursts, &script).await, 99, "{code}");
    }
    for said in [&[("set-cookie", "id=1")][..], &[("cache-control", "private")], &[("vary", "*")]] {
        let script = |request: &Request<RequestBody>| {
            let odd = request.headers().contains_key("referer");
            Some(if odd { status(403, said, "odd") } else { ok(&[], "rows") })
        };
        assert_eq!(saved(HttpSingleflightLayer::new(), &bursts, &script).await, 0, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn d9_the_second_try_is_the_last() {
    for (code, said, expected) in
        [(403, &[][..], 0), (429, &[], 0), (400, &[("cache-control", "max-age=5")], 3), (414, &[], 3)]
    {
        let script = |_: &Request<RequestBody>| Some(status(code, said, "no"));
        assert_eq!(saved(HttpSingleflightLayer::new(), &|| herd(5), &script).await, expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn d9_a_refusal_that_varies() {
    let referers = || at_once(["a", "a", "b", "c"].iter().map(|one| get_with("/x", &[("referer", one)])).collect());
    // All are refused, and those who agree with the leader try again.
    let script = |_: &Request<RequestBody>| Some(status(403, &[("vary", "referer")], "odd"));
    assert_eq!(saved(HttpSingleflightLayer::new(), &referers, &script).await, 0);
}

#[tokio::test(start_paused = true)]
async fn d9_d4_who_comes_late_to_a_failure() {
    let bursts = || {
        let three = || (0..3).map(|_| get("/x")).collect();
        vec![(three(), Duration::from_secs(6)), (three(), Duration::from_secs(4))]
    };
    for failure in [Some(500), Some(503), Some(499), None] {
        let script =
            |_: &Request<RequestBody>| failure.map(|code| status(code, &[("cache-control", "max-age=1")], "x"));
        assert_eq!(saved(HttpSingleflightLayer::new(), &bursts, &script).await, 4, "{failure:?}");
    }
}

/// The call of a second flight would have begun when the first one landed.
#[tokio::test(start_paused = true)]
async fn d9_who_comes_late_to_a_failure_among_its_like() {
    let bursts = || {
        let asks = |referers: &[&str]| referers.iter().map(|one| get_with("/x", &[("referer", one)])).collect();
        vec![(asks(&["a", "b"]), Duration::from_secs(8)), (asks(&["b"]), Duration::from_secs(2))]
    };
    let script = |request: &Request<RequestBody>| {
        let code = if request.headers()["referer"] == "a" { 200 } else { 500 };
        Some(status(code, &[("vary", "referer")], "x"))
    };
    assert_eq!(saved(HttpSingleflightLayer::new(), &bursts, &script).await, 1);
}

#[tokio::test(start_paused = true)]
async fn d3_what_is_remembered_is_not_waited_for_until_it_can_be_shared() {
    let private = |_: &Request<RequestBody>| Some(ok(&[("cache-control", "private")], "x"));
    let layer = HttpSingleflightLayer::new;
    let twice: [&dyn Fn() -> Bursts; 2] = [&|| herd(5), &|| herd(5)];
    assert_eq!(saved_in(layer(), Limits::new(), &twice, &private).await, [0, 0]);
    let count = std::cell::Cell::new(0);
    let later = |_: &Request<RequestBody>| {
        count.set(count.get() + 1);
        // The first burst of both, and nothing else, is private.
        Some(if count.get() <= 10 { ok(&[("cache-control", "private")], "x") } else { ok(&[], "x") })
    };
    let thrice: [&dyn Fn() -> Bursts; 3] = [&|| herd(5), &|| herd(5), &|| herd(5)];
    assert_eq!(saved_in(layer(), Limits::new(), &thrice, &later).await, [0, 0, 4]);
}

#[tokio::test(start_paused = true)]
async fn s13_s30_s20_s05_requests_that_may_not_join() {
    let layer = HttpSingleflightLayer::new;
    let rows = |_: &Request<RequestBody>| Some(ok(&[], "rows"));
    let reloads = || at_once([&[][..], &[("cache-control", "no-cache")], &[]].map(|said| get_with("/x", said)).into());
    assert_eq!(saved(layer(), &reloads, &rows).await, 1);
    let first = || at_once([&[("pragma", "no-cache")][..], &[], &[]].map(|said| get_with("/x", said)).into());
    assert_eq!(saved(layer(), &first, &rows).await, 2);
    let alone = || {
        let fields = [("authorization", "a"), ("cookie", "a=b"), ("range", "bytes=0-1"), ("if-none-match", "x")];
        let mut requests: Vec<_> =
            fields.iter().flat_map(|field| [(); 2].map(|()| get_with("/x", &[*field]))).collect();
        requests.extend(["POST", "PUT", "DELETE"].map(|method| request(method, "/x", &[])));
        at_once(requests)
    };
    assert_eq!(saved(layer(), &alone, &rows).await, 0);
    let old = || {
        let mut requests: Vec<_> = (0..4).map(|_| get("/x")).collect();
        *requests[2].version_mut() = Version::HTTP_10;
        at_once(requests)
    };
    let unknown = |_: &Request<RequestBody>| Some(Response::new(OriginBody::streamed().1));
    assert_eq!(saved(layer(), &old, &unknown).await, 2);
}
