//! The second try (D9), shared failures (D4), and what tells of a resource that its answers are not to be shared (D3).

use std::time::Duration;

use tokio::time::advance;
use tower_singleflight::{
    HttpSingleflightLayer, Limits, Reason, Role,
    http::{HttpGroup, Rule},
};

use crate::{
    herd::{Task, herd, rule, texts},
    origin::{Fault, Plain, bench, bench_in, get_with, ok, role, status},
};

const AGAIN: [u16; 20] =
    [400, 401, 403, 407, 408, 411, 412, 413, 414, 415, 416, 417, 421, 425, 426, 428, 429, 431, 505, 508];

/// The kind: an answer that may be due to the leader's own request.
#[tokio::test]
async fn d9_one_odd_request_neither_decides_for_a_herd_nor_sets_it_loose() {
    for code in AGAIN {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let odd = tokio::spawn(bench.call(get_with("/x", &[("referer", "odd")])).into_inner());
        let herd = herd(&mut bench, 100);
        bench.next().await.answer(status(code, &[], "odd"));
        assert_eq!(bench.count().await, 2, "{code}");
        bench.next().await.answer(ok(&[], "rows"));
        assert_eq!(odd.await.unwrap().unwrap().status(), code);
        assert_eq!(texts(herd).await, vec!["rows"; 100]);
        assert_eq!(bench.count().await, 2, "{code}");
        assert!(bench.group.is_empty());
    }
}

/// Other answers of the kind of 404 are about what all have asked for.
#[tokio::test]
async fn d9_what_all_have_asked_for_is_not_asked_for_twice() {
    for code in [200, 204, 301, 404, 405, 410] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 10);
        bench.next().await.answer(status(code, &[], "x"));
        assert_eq!(texts(herd).await.len(), 10);
        assert_eq!(bench.count().await, 1, "{code}");
    }
}

#[tokio::test]
async fn d9_the_second_try_is_the_last() {
    // 403 is never shared (S10); 400 with a lifetime is (S10), and 414 is heuristically cacheable.
    for (code, fields, calls) in
        [(403, &[][..], 5), (429, &[], 5), (400, &[("cache-control", "max-age=5")], 2), (414, &[], 2)]
    {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 5);
        let mut answered = 0;
        while answered < bench.count().await {
            assert!(answered < 6, "bounded");
            bench.next().await.answer(status(code, fields, "no"));
            answered += 1;
        }
        assert_eq!(answered, calls, "{code}");
        assert_eq!(texts(herd).await, vec!["no"; 5]);
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn d9_what_is_the_leaders_by_its_own_word_is_nobodys_second_chance() {
    for (fields, expected) in [
        (&[("set-cookie", "id=1")][..], Rule::S7Personal),
        (&[("x-csrf-token", "n")], Rule::S7Personal),
        (&[("cache-control", "private")], Rule::S8CacheControl),
        (&[("vary", "*")], Rule::S9Vary),
    ] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 4);
        bench.next().await.answer(status(403, fields, "odd"));
        // All at once, and not one of them first.
        assert_eq!(bench.count().await, 4, "{fields:?}");
        for _ in 0..3 {
            bench.next().await.answer(ok(&[], "rows"));
        }
        let mut rules = Vec::new();
        for task in herd {
            rules.push(rule(&task.await.unwrap().unwrap()));
        }
        assert!(rules.iter().all(|rule| *rule == Some(expected)), "{fields:?}: {rules:?}");
        assert!(bench.group.is_empty());
    }
}

#[tokio::test]
async fn d9_who_does_not_match_the_vary_of_a_refusal_is_released_at_once() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let calls = ["a", "a", "b", "c"].map(|value| bench.call(get_with("/x", &[("referer", value)])));
    let tasks: Vec<Task> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
    bench.next().await.answer(status(403, &[("vary", "referer")], "odd"));
    // One tries among its like; two go by themselves.
    assert_eq!(bench.count().await, 4);
    for _ in 0..3 {
        bench.next().await.answer(ok(&[], "rows"));
    }
    assert_eq!(texts(tasks).await, ["odd", "rows", "rows", "rows"]);
    assert!(bench.group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn d9_d4_who_came_late_to_a_failure_asks_again_and_who_waited_shares_it() {
    // `None` is an error of the service.
    for failure in [Some(500), Some(502), Some(503), Some(504), Some(499), None] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let mut early = herd(&mut bench, 3);
        let held = bench.next().await;
        advance(Duration::from_secs(6)).await;
        let late = herd(&mut bench, 3);
        advance(Duration::from_secs(4)).await;
        match failure {
            Some(code) => held.answer(status(code, &[("cache-control", "max-age=1")], "down")),
            None => held.fail("down"),
        }
        assert_eq!(bench.count().await, 2, "{failure:?}");
        bench.next().await.answer(ok(&[], "up"));
        assert_eq!(texts(late).await, vec!["up"; 3]);
        for task in early.drain(..) {
            match (task.await.unwrap(), failure) {
                (Ok(response), Some(code)) => assert_eq!(response.status(), code),
                (Err(error), None) => assert_eq!(error, Fault("down")),
                (other, _) => panic!("{failure:?}: {other:?}"),
            }
        }
        assert_eq!(bench.count().await, 2);
        assert!(bench.group.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn d4_told_not_to_share_failures_followers_go_alone_with_no_second_try() {
    for failure in [Some(503), None] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new().share_server_errors(false));
        let mut herd = herd(&mut bench, 4);
        let held = bench.next().await;
        advance(Duration::from_secs(1)).await;
        match failure {
            Some(code) => held.answer(status(code, &[], "down")),
            None => held.fail("down"),
        }
        assert_eq!(bench.count().await, 4);
        for _ in 0..3 {
            bench.next().await.answer(ok(&[], "up"));
        }
        drop(herd.remove(0));
        for task in herd {
            let response = task.await.unwrap().unwrap();
            assert_eq!((role(&response), rule(&response)), (Role::Alone(Reason::NotShareable), Some(Rule::D4Failure)));
        }
        assert!(bench.group.is_empty());
    }
}

/// The kind: error pages commonly say so, and nothing is stored.
#[tokio::test]
async fn d4_error_pages_that_are_not_to_be_stored_are_shared_with_those_who_waited() {
    for (said, calls) in [("no-store", 1), ("no-cache", 1), ("no-cache, no-store, must-revalidate", 1), ("private", 3)]
    {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let herd = herd(&mut bench, 3);
        bench.next().await.answer(status(503, &[("cache-control", said)], "down"));
        assert_eq!(bench.count().await, calls, "{said}");
        for _ in 1..calls {
            bench.next().await.answer(status(503, &[("cache-control", said)], "down"));
        }
        assert_eq!(texts(herd).await, vec!["down"; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn d9_a_followers_limit_runs_on_through_both_tries() {
    let limits = Limits::new().max_wait(Duration::from_secs(10));
    let mut bench: Plain = bench_in(HttpSingleflightLayer::new(), HttpGroup::with_limits(limits));
    let tasks = herd(&mut bench, 3);
    let first = bench.next().await;
    advance(Duration::from_secs(6)).await;
    first.answer(status(403, &[], "odd"));
    let second = bench.next().await;
    advance(Duration::from_secs(3)).await;
    assert_eq!(bench.count().await, 2);
    advance(Duration::from_secs(2)).await;
    // Of the two, one leads.
    bench.next().await.answer(ok(&[], "own"));
    second.answer(ok(&[], "rows"));
    assert_eq!(texts(tasks).await, ["odd", "rows", "own"]);
    assert_eq!(bench.count().await, 3);
    assert!(bench.group.is_empty());
}

/// They overlap, or come one after the other.
#[tokio::test]
async fn d3_two_odd_answers_with_a_cookie_do_not_set_the_next_herd_loose() {
    for overlap in [true, false] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let cookie = || ok(&[("set-cookie", "id=1")], "odd");
        let mut odd = herd(&mut bench, if overlap { 2 } else { 1 });
        bench.next().await.answer(cookie());
        if !overlap {
            texts(odd).await;
            odd = herd(&mut bench, 1);
        }
        bench.next().await.answer(cookie());
        texts(odd).await;
        let herd = herd(&mut bench, 100);
        assert_eq!(bench.count().await, 3);
        bench.next().await.answer(ok(&[], "rows"));
        assert_eq!(texts(herd).await, vec!["rows"; 100]);
        assert_eq!(bench.count().await, 3);
        assert!(bench.group.is_empty());
    }
}

/// That takes two: then it is the page's way, and the next burst does not wait.
#[tokio::test]
async fn d3_s07_two_released_callers_with_a_cookie_each_are_evidence() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let first = herd(&mut bench, 3);
    for _ in 0..3 {
        bench.next().await.answer(ok(&[("set-cookie", "id=1")], "x"));
    }
    texts(first).await;
    let second = herd(&mut bench, 3);
    assert_eq!(bench.count().await, 6);
    second.into_iter().for_each(|task| task.abort());
    bench.settle().await;
}

/// Sends so many plain requests, and answers each call with this status.
async fn refused(bench: &mut Plain, callers: usize, code: u16) {
    let tasks = herd(bench, callers);
    let before = bench.count().await - 1;
    let mut answered = before;
    while answered < bench.count().await {
        bench.next().await.answer(status(code, &[], "no"));
        answered += 1;
    }
    assert_eq!(texts(tasks).await, vec!["no"; callers], "{code}");
}

/// It says more of who asked than of the page, as a session does: a follower that has tried again and is refused all the same is
/// one more odd caller.
#[tokio::test]
async fn d3_three_odd_callers_that_are_refused_do_not_set_the_next_herd_loose() {
    for code in AGAIN {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        refused(&mut bench, 3, code).await;
        let before = bench.count().await;
        let herd = herd(&mut bench, 100);
        assert_eq!(bench.count().await - before, 1, "{code}");
        bench.next().await.answer(ok(&[], "rows"));
        assert_eq!(texts(herd).await, vec!["rows"; 100]);
        assert!(bench.group.is_empty());
    }
}

/// Two released callers are evidence, unless the origin fails or has too much to do: it is not to be sent the next burst.
#[tokio::test]
async fn d3_two_released_callers_that_are_refused_are_evidence_unless_the_origin_fails() {
    // A 414 is shared.
    for code in AGAIN.into_iter().filter(|code| *code != 414).chain([499]) {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        refused(&mut bench, 4, code).await;
        let before = bench.count().await;
        let next = herd(&mut bench, 3);
        let fails = matches!(code, 408 | 425 | 429 | 499 | 505 | 508);
        assert_eq!(bench.count().await - before, if fails { 1 } else { 3 }, "{code}");
        next.into_iter().for_each(|task| task.abort());
        bench.settle().await;
    }
}
