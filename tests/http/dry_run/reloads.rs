//! What reloads would save (S13): those who may not have what began before they came wait for the next run, beside plain
//! requests that join the one under way.

use std::time::Duration;

use http::{HeaderMap, Request};
use tower::Service;
use tower_singleflight::{HttpSingleflightLayer, Limits, http::DryRun};

use super::saved::{Bursts, Script, saved, saved_in};
use crate::origin::{Plain, RequestBody, bench, get_with, ok, status, text};

const SECOND: Duration = Duration::from_secs(1);

const RELOADS: [(&str, &str); 3] =
    [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")];

/// Requests that come at once: each reloads where its letter is `r`, and is plain where it is `p`. Every second one shows who
/// refers to it.
fn herd(letters: &str) -> Vec<Request<RequestBody>> {
    let mut requests = Vec::new();
    for (number, letter) in letters.chars().enumerate() {
        let mut fields = Vec::new();
        if letter == 'r' {
            fields.push(RELOADS[number % RELOADS.len()]);
        }
        if number % 2 == 1 {
            fields.push(("referer", "odd"));
        }
        requests.push(get_with("/x", &fields));
    }
    requests
}

fn at_once(letters: &str) -> Bursts {
    vec![(herd(letters), Duration::ZERO)]
}

fn rows(_: &Request<RequestBody>) -> Option<http::Response<crate::origin::OriginBody>> {
    Some(ok(&[], "rows"))
}

#[tokio::test(start_paused = true)]
async fn s13_a_herd_that_reloads_would_take_two_calls() {
    for (letters, expected) in [("r".repeat(100), 98), ("rp".repeat(50), 98), ("prrrpp".to_owned(), 4)] {
        let saved = saved(HttpSingleflightLayer::new(), &|| at_once(&letters), &rows).await;
        assert_eq!(saved, expected, "{letters}");
    }
}

#[tokio::test(start_paused = true)]
async fn s13_alone_if_the_layer_is_told_so() {
    assert_eq!(saved(HttpSingleflightLayer::new().reload_alone(), &|| at_once("rrpprr"), &rows).await, 2);
    assert_eq!(saved(HttpSingleflightLayer::new().fresh_wait(Duration::ZERO), &|| at_once("rrpprr"), &rows).await, 2);
}

#[tokio::test(start_paused = true)]
async fn s13_requests_that_the_application_names_are_fresh_too() {
    let layer = HttpSingleflightLayer::new().fresh_if(|parts| parts.headers.contains_key("referer"));
    // One leads, three follow it, and of the four that are fresh three follow the next.
    assert_eq!(saved(layer, &|| at_once("pppppppp"), &rows).await, 6);
}

/// Each herd of at most five, with each kind of answer.
#[tokio::test(start_paused = true)]
async fn s13_d3_d9_s09_every_small_herd_saves_what_the_layer_saves() {
    let odd = |headers: &HeaderMap| headers.contains_key("referer");
    let scripts: [(&str, Script<'_>); 8] = [
        ("all may have it", &rows),
        ("private", &|_| Some(ok(&[("cache-control", "private")], "x"))),
        ("varies", &|_| Some(ok(&[("vary", "referer")], "x"))),
        ("refused", &|_| Some(status(403, &[], "no"))),
        ("an odd one is refused", &|request| {
            Some(if odd(request.headers()) { status(403, &[], "no") } else { ok(&[], "x") })
        }),
        ("an odd one is private", &|request| {
            Some(ok(if odd(request.headers()) { &[("cache-control", "private")] } else { &[] }, "x"))
        }),
        // Then nobody waits for the next answer, which would be for all.
        ("all but an odd one are private", &|request| {
            Some(ok(if odd(request.headers()) { &[] } else { &[("cache-control", "private")] }, "x"))
        }),
        ("fails", &|_| None),
    ];
    for (kind, script) in scripts {
        for number in 0..32 {
            let letters: String = (0..5).map(|at| if number >> at & 1 == 1 { 'r' } else { 'p' }).collect();
            println!("{letters}: {kind}");
            let herd = || at_once(&letters);
            let twice: [&dyn Fn() -> Bursts; 2] = [&herd, &herd];
            saved_in(HttpSingleflightLayer::new(), Limits::new(), &twice, script).await;
        }
    }
}

/// The one under way goes on for those who are on it, and the next begins beside it.
#[tokio::test(start_paused = true)]
async fn s13_who_has_waited_for_long_enough_begins_beside_the_run_under_way() {
    let bursts = || {
        let bursts = [("pp", 500), ("rr", 900), ("rr", 200), ("rrp", 2000), ("rp", 100), ("pr", 0)];
        bursts.map(|(letters, passes)| (herd(letters), Duration::from_millis(passes))).into()
    };
    let private = |_: &Request<RequestBody>| Some(ok(&[("cache-control", "private")], "x"));
    // The first answer says nothing of a run that has begun.
    let plain_are_private = |request: &Request<RequestBody>| {
        let reloads = RELOADS.iter().any(|(name, _)| request.headers().contains_key(*name));
        Some(ok(if reloads { &[] } else { &[("cache-control", "private")] }, "x"))
    };
    for (wait, all, some) in [(300, 9, 8), (1000, 9, 8), (10_000, 11, 0)] {
        let layer = || HttpSingleflightLayer::new().fresh_wait(Duration::from_millis(wait));
        assert_eq!(saved(layer(), &bursts, &rows).await, all, "{wait}");
        assert_eq!(saved(layer(), &bursts, &private).await, 0, "{wait}");
        assert_eq!(saved(layer(), &bursts, &plain_are_private).await, some, "{wait}");
        // Nobody comes after the wait.
        let two = || ["pp", "rr"].map(|letters| (herd(letters), Duration::from_secs(5))).into();
        assert_eq!(saved(layer(), &two, &plain_are_private).await, u64::from(wait < 5000), "{wait}");
    }
}

/// Its call is made, and nothing of it has run: who reloads may have what it will read.
#[tokio::test(start_paused = true)]
async fn s13_a_call_that_has_not_begun_is_joined() {
    for (dry, calls) in [(false, 1), (true, 2)] {
        let layer = HttpSingleflightLayer::new();
        let mut bench: Plain = bench(if dry { layer.dry_run(DryRun::new()) } else { layer });
        let requests = [&[][..], &RELOADS[..1]].map(|fields| bench.service.call(get_with("/x", fields)));
        let tasks = requests.map(tokio::spawn);
        assert_eq!(bench.count().await, calls);
        for _ in 0..calls {
            bench.next().await.answer(ok(&[], "rows"));
        }
        for task in tasks {
            text(task.await.unwrap().unwrap()).await;
        }
        assert_eq!(bench.layer.dry_run_report().saved(), u64::from(dry));
    }
}

#[tokio::test(start_paused = true)]
async fn s13_limits_are_those_of_the_layer() {
    let layer = HttpSingleflightLayer::new;
    let bursts = || -> Bursts { ["prpr", "rrpp", "rp"].map(|letters| (herd(letters), SECOND * 3 / 4)).into() };
    let all = [
        Limits::new(),
        Limits::new().max_wait(SECOND),
        Limits::new().max_wait(Duration::ZERO),
        Limits::new().join_window(SECOND),
        Limits::new().join_window(SECOND).max_wait(SECOND * 2),
        Limits::new().max_followers(1),
        Limits::new().max_flights(1),
        Limits::new().max_flights(2),
    ];
    for limits in all {
        println!("{limits:?}");
        saved_in(layer(), limits, &[&bursts, &|| at_once("rprpr")], &rows).await;
    }
}
