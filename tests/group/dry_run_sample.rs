//! Which calls a generic dry run watches, and what its numbers say in words and as JSON.

use std::convert::Infallible;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio_test::task::spawn;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{DryRunStats, Limits, SingleflightLayer};

type Outcome = Result<u32, Infallible>;

fn key(id: &u32) -> Option<u32> {
    (*id > 0).then_some(*id)
}

fn same(leader: &Outcome, follower: &Outcome) -> bool {
    leader == follower
}

/// Watches a sample of 200 keys, of which each is asked for by two at a time.
fn sampled(set: impl FnOnce(SingleflightLayer<fn(&u32) -> Option<u32>, u32, Outcome>) -> DryRunLayer) -> DryRunStats {
    let layer = set(SingleflightLayer::new(key));
    let mut service = layer.layer(service_fn(|id: u32| async move { Ok::<_, Infallible>(id) }));
    for id in 1..=200 {
        let calls = [service.call(id), service.call(id)];
        for call in calls {
            assert_eq!(call.now_or_never(), Some(Ok(id)));
        }
    }
    layer.dry_run_stats()
}

type DryRunLayer = SingleflightLayer<fn(&u32) -> Option<u32>, u32, Outcome>;

#[test]
fn all_calls_of_one_key_in_so_many_are_watched() {
    for (n, m, fewest, most) in [
        (1, 1, 200, 200),
        (3, 2, 200, 200),
        (0, 7, 0, 0),
        (7, 0, 0, 0),
        (0, 0, 0, 0),
        // Of 200 keys, fewer than 50 or more than 150 come once in 10^12 runs.
        (1, 2, 50, 150),
    ] {
        // Whichever of the two is said first.
        for first in [true, false] {
            let stats = sampled(|layer| match first {
                true => layer.dry_run_sample(n, m).dry_run(same),
                false => layer.dry_run(same).dry_run_sample(n, m),
            });
            assert!((fewest..=most).contains(&stats.led), "{n} of {m}: {stats:?}");
            assert_eq!((stats.followed, stats.saved, stats.same), (stats.led, stats.led, stats.led), "{n} of {m}");
            assert_eq!((stats.calls, stats.unwatched), (400, 400 - 2 * stats.led), "{n} of {m}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_was_counted_is_printed_and_there_as_json() {
    let stats = DryRunStats::default();
    let nothing = "dry run: 0 of 0 calls would have been saved; of their outcomes 0 are the same and 0 differ; 0 would have \
                   been released";
    assert_eq!(stats.to_string(), nothing);

    let layer = SingleflightLayer::new(key).limits(Limits::new().max_followers(1)).dry_run(same);
    let mut service = layer.layer(service_fn(|id: u32| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(id)
    }));
    let mut calls = [7, 7, 7, 0].map(|id| spawn(service.call(id)));
    calls.iter_mut().for_each(|call| assert!(call.poll().is_pending()));
    drop(calls);
    let mut left = [8, 8].map(|id| Some(spawn(service.call(id))));
    left[1].take();
    drop(left);
    let stats = layer.dry_run_stats();
    assert_eq!(
        stats.to_string(),
        "dry run: 0 of 6 calls would have been saved; of their outcomes 0 are the same and 0 differ; 0 would have been \
         released; 1 had no key; 1 would have gone alone by a limit; 1 left before the outcome was there; 1 lost their leader"
    );
    let mut all = DryRunStats::default();
    let counts = [
        &mut all.calls,
        &mut all.led,
        &mut all.followed,
        &mut all.alone,
        &mut all.unwatched,
        &mut all.full,
        &mut all.limited,
        &mut all.saved,
        &mut all.same,
        &mut all.different,
        &mut all.released,
        &mut all.waited_too_long,
        &mut all.left,
        &mut all.leader_left,
        &mut all.panicked,
    ];
    for (number, count) in (101..).zip(counts) {
        *count = number;
    }
    let (text, in_json) = (all.to_string(), serde_json::from_str::<Value>(&all.to_json()).unwrap());
    assert_eq!((in_json["calls"].clone(), in_json["unwatched"].clone()), (json!(101), json!(105)));
    let in_json = in_json.as_object().unwrap();
    assert_eq!(format!("{all:?}").matches(": ").count(), in_json.len(), "all of them are there");
    let mut numbers: Vec<_> = in_json.values().map(|count| count.as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(101..=115));
    // How many led and followed follows from the others.
    for number in (101..=115).filter(|number| ![102, 103].contains(number)) {
        assert!(text.contains(&number.to_string()), "{number}: {text}");
    }
}
