//! One odd request before a herd of 100: the herd's answers are what each would have got alone, in at most 3 calls.
//!
//! To this kind belongs every request that one caller can send and others do not: by method, field, value, version,
//! deadline, or by what the origin makes of it. Not every answer to it can keep the promise of 3 calls: one that hands out
//! something (S7), or is `private` or `no-store` (S8), releases all who waited at once (D3), and of a flight that timed
//! out those are released who waited more than half of its time (D9). Those are asked for in `release.rs`.
//! Of the statuses that an origin gives for a field of the list, those that D9 does not name keep to S10: 404 and 301 are
//! shared, 302 is not.

mod kinds;

use std::time::Duration;

use tower_singleflight::{HttpSingleflightLayer, http::Heads};

use self::kinds::{DEADLINES, Gets, Odd, blamed, by_other_means, connections, malformed, odd, overrides};
use crate::origin::{Bench, Held, OriginBody, RequestBody, bench, get, status, text};

const HERD: usize = 100;

/// Answers by what the request says, and so that nobody can take the odd one's answer for its own.
fn answer(held: Held<RequestBody>, odd: &Odd) {
    let is_odd = {
        let odd = (odd.request)();
        let same = held.request.headers() == odd.headers() && held.request.version() == odd.version();
        same && held.request.method() == odd.method()
    };
    match odd.gets {
        _ if !is_odd => held.answer(status(200, &[], "page")),
        Gets::TheSame => held.answer(status(200, &[], "page")),
        Gets::Its => held.answer(status(200, &[], "what the odd one asked for")),
        Gets::Varying(name) => held.answer(status(200, &[("vary", name)], "what the odd one asked for")),
        Gets::Status(code) => held.answer(status(code, &[], "refused")),
        Gets::Fault => held.fail("reset"),
        Gets::Unannounced => {
            let (frames, body) = OriginBody::streamed();
            frames.data("page");
            held.answer(http::Response::new(body));
        }
    }
}

/// Returns how many calls the origin got, and what each of the herd did, as `status body`. The herd comes when the odd one
/// has been held for so long, and has waited for a hundredth of that when it is answered.
async fn before_a_herd(odd: &Odd, held_for: Duration) -> (usize, Vec<String>) {
    let mut bench: Bench<Heads, RequestBody> = bench(HttpSingleflightLayer::new());
    let first = tokio::spawn(bench.call((odd.request)()).into_inner());
    let held = bench.next().await;
    tokio::time::advance(held_for).await;
    let herd: Vec<_> = (0..HERD).map(|_| tokio::spawn(bench.call(get("/x")).into_inner())).collect();
    assert!(bench.count().await <= 2, "{}", odd.what);
    tokio::time::advance(held_for / 100).await;
    answer(held, odd);
    // Bounded: each turn answers one call.
    for _ in 0..=HERD {
        bench.settle().await;
        if bench.held.is_empty() {
            break;
        }
        let held = bench.next().await;
        answer(held, odd);
    }
    assert_eq!(first.await.unwrap().is_err(), matches!(odd.gets, Gets::Fault), "{}", odd.what);
    let mut answers = Vec::new();
    for caller in herd {
        answers.push(match caller.await.unwrap() {
            Ok(response) => format!("{} {}", response.status().as_u16(), text(response).await),
            Err(fault) => fault.to_string(),
        });
    }
    assert!(bench.group.is_empty(), "{}", odd.what);
    (bench.count().await, answers)
}

async fn none_is_noticed(odds: Vec<Odd>, at_least: usize) {
    assert!(odds.len() >= at_least, "{} oddities", odds.len());
    for odd in odds {
        let (calls, answers) = before_a_herd(&odd, Duration::from_secs(1)).await;
        assert!(calls <= 3, "{} ({:?}): {calls} calls", odd.what, odd.gets);
        for answer in answers {
            assert_eq!(answer, "200 page", "{} ({:?})", odd.what, odd.gets);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s14_a_connection_that_lists_or_offers_oddly() {
    none_is_noticed(connections(), 30).await;
}

#[tokio::test(start_paused = true)]
async fn s30_s27_overrides_of_the_method_and_aliases_of_the_target() {
    none_is_noticed(overrides(), 60).await;
}

#[tokio::test(start_paused = true)]
async fn s27_malformed_values() {
    none_is_noticed(malformed(), 90).await;
}

#[tokio::test(start_paused = true)]
async fn d9_s28_a_request_that_is_refused_or_times_out_by_its_own_doing() {
    none_is_noticed(blamed(), 160).await;
}

#[tokio::test(start_paused = true)]
async fn s27_s30_other_versions_methods_sizes_and_every_field_of_a_gateway() {
    none_is_noticed(by_other_means(), 100).await;
}

/// Callers of a fast service have deadlines of a few milliseconds.
#[tokio::test(start_paused = true)]
async fn d9_s28_a_deadline_however_short_sets_no_herd_loose() {
    for name in DEADLINES {
        for gets in [Gets::Status(408), Gets::Status(499), Gets::Status(504), Gets::Fault] {
            for held_for in [Duration::from_micros(200), Duration::from_millis(5), Duration::from_millis(24)] {
                let (calls, answers) = before_a_herd(&odd(gets, name, "1"), held_for).await;
                assert_eq!(calls, 2, "{name} {gets:?} {held_for:?}");
                assert!(answers.iter().all(|answer| answer == "200 page"), "{name} {gets:?} {held_for:?}");
            }
        }
    }
}
