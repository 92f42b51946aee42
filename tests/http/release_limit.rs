//! The release limit (D10): how many of those who are released ask the origin at a time.

use std::time::Duration;

use tokio::time::advance;
use tokio_test::task::spawn;
use tower::Service;
use tower_singleflight::{
    HttpSingleflightLayer, Limits, Reason, Role,
    http::{Heads, HttpGroup},
};

use crate::{
    herd::{herd, texts},
    origin::{Bench, Plain, RequestBody, bench, bench_in, get, get_with, ok, role, text},
};

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

/// 51 clients whose origin takes longer than they wait: those of the limit, and the leader.
#[tokio::test(start_paused = true)]
async fn d10_the_release_limit_holds_for_those_who_have_waited_too_long() {
    let limits = Limits::new().max_wait(Duration::from_millis(200));
    let layer = HttpSingleflightLayer::new().release_limit(4);
    let mut bench: Plain = bench_in(layer, HttpGroup::with_limits(limits));
    let tasks = herd(&mut bench, 51);
    assert_eq!(bench.count().await, 1);
    advance(Duration::from_millis(199)).await;
    assert_eq!(bench.count().await, 1);
    advance(Duration::from_millis(2)).await;
    assert_eq!(bench.count().await, 5);
    advance(Duration::from_millis(190)).await;
    assert_eq!(bench.count().await, 5);
    // At most that long once more, then it goes.
    advance(Duration::from_millis(20)).await;
    assert_eq!(bench.count().await, 51);
    while !bench.held.is_empty() {
        bench.next().await.answer(ok(&[], "rows"));
    }
    assert_eq!(texts(tasks).await, vec!["rows"; 51]);
    assert!(bench.group.is_empty());
}

/// Nothing would tell it there when it has waited for long enough.
#[test]
fn d10_where_there_are_no_timers_nobody_waits_for_a_permit_that_may_be_waited_for_only_so_long() {
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();
    without_timers.block_on(async {
        let limits = Limits::new().max_wait(Duration::from_secs(3600));
        let layer = HttpSingleflightLayer::new().release_limit(1);
        let mut bench: Plain = bench_in(layer, HttpGroup::with_limits(limits));
        let leader = bench.call(get("/x"));
        // They are polled when they are released already: a follower does not wait here either.
        let mut released = [(); 2].map(|()| spawn(bench.service.call(get("/x"))));
        bench.next().await.answer(ok(&[("cache-control", "private")], "mine"));
        assert_eq!(text(leader.await.unwrap()).await, "mine");
        for call in &mut released {
            assert!(call.poll().is_pending());
        }
        assert_eq!(bench.count().await, 3, "one has the permit, and the other one does not wait for it");
        for call in released {
            bench.next().await.answer(ok(&[], "own"));
            assert_eq!(text(call.await.unwrap()).await, "own");
        }
        assert!(bench.group.is_empty());
    });
}

#[test]
fn d10_the_release_limit_holds_for_those_whose_flight_is_lost() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (dying, living) = (runtime(), runtime());
    let mut bench: Plain = bench(HttpSingleflightLayer::new().release_limit(1));
    let calls = {
        let _context = dying.enter();
        [(); 4].map(|()| bench.call(get("/x")))
    };
    drop(dying);
    living.block_on(async {
        let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
        let leaders = bench.next().await;
        for sent in 1..=3 {
            assert_eq!(bench.count().await, 1 + sent, "one follower's call at a time");
            bench.next().await.answer(ok(&[], "own"));
        }
        leaders.answer(ok(&[], "leader's"));
        let mut said = Vec::new();
        for task in tasks {
            let response = task.await.unwrap().unwrap();
            said.push((role(&response), text(response).await));
        }
        let lost = || (Role::Alone(Reason::Lost), "own".to_owned());
        assert_eq!(said, [(Role::Leader, "leader's".to_owned()), lost(), lost(), lost()]);
    });
    assert!(bench.group.is_empty());
}
