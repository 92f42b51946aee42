//! What is watched and what is not, memory, and functions that panic.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tower_singleflight::{
    HttpSingleflightLayer,
    http::dry_run::{Colour, DryRun},
};

use crate::{
    herd::{herd, texts},
    origin::{Plain, bench, get, get_with, ok, text},
    stands::stand,
};

/// Sends so many pairs of requests, each for a path of its own; returns how many calls would have been saved.
async fn pairs(bench: &mut Plain, paths: usize) -> u64 {
    let before = bench.layer.dry_run_report().saved();
    for path in 0..paths {
        let path = format!("/{path}");
        let calls = [bench.call(get(&path)), bench.call(get(&path))];
        for call in calls {
            bench.next().await.answer(ok(&[], "rows"));
            text(call.await.unwrap()).await;
        }
    }
    bench.layer.dry_run_report().saved() - before
}

#[tokio::test]
async fn of_one_key_all_requests_are_watched_or_none() {
    for (n, m, expected) in [
        (0, 0, 0..=0),
        (0, 5, 0..=0),
        (5, 0, 0..=0),
        (u32::MAX, 1, 200..=200),
        (u32::MAX, u32::MAX, 200..=200),
        (1, u32::MAX, 0..=0),
        (7, 7, 200..=200),
        // In a sample of 200 keys, fewer than 50 or more than 150 come once in 10^12 runs.
        (1, 2, 50..=150),
    ] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new().sample(n, m)));
        let saved = pairs(&mut bench, 200).await;
        assert!(expected.contains(&saved), "{saved} of {n} in {m}");
        // The second half of a pair is never watched without the first.
        assert_eq!(pairs(&mut bench, 200).await, saved);
        let report = bench.layer.dry_run_report();
        assert_eq!((report.requests(), report.unwatched()), (800, 800 - 4 * saved));
    }
}

#[tokio::test]
async fn what_finds_no_place_is_not_watched_and_goes_through() {
    for most in [0, 1] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new().watched(most)));
        let calls: Vec<_> = ["/a", "/b", "/a", "/b", "/c"].iter().map(|path| bench.call(get(path))).collect();
        for call in calls {
            bench.next().await.answer(ok(&[], "rows"));
            assert_eq!(text(call.await.unwrap()).await, "rows");
        }
        let report = bench.layer.dry_run_report();
        assert_eq!((report.saved(), report.full()), if most == 0 { (0, 5) } else { (1, 3) });
        assert!(report.to_string().contains("there was no place for them"), "{report}");
    }
    // Of one flight, sixteen requests for each flight that may be.
    let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(DryRun::new().watched(1)));
    let herd = herd(&mut bench, 20);
    for _ in 0..20 {
        bench.next().await.answer(ok(&[], "rows"));
    }
    texts(herd).await;
    let report = bench.layer.dry_run_report();
    assert_eq!((report.saved(), report.full()), (15, 4));
}

/// How many keys there are; a million by `DRY_RUN_KEYS`.
fn keys() -> usize {
    std::env::var("DRY_RUN_KEYS").map_or(20_000, |keys| keys.parse().expect("DRY_RUN_KEYS is a number"))
}

#[tokio::test]
async fn many_keys_at_once_take_no_more_than_the_cap() {
    let most = 64;
    let layer = HttpSingleflightLayer::new().dry_run(DryRun::new().sample(1, 100).watched(most));
    let mut bench: Plain = bench(layer);
    let mut calls = Vec::new();
    let mut largest = 0;
    for key in 0..keys() {
        calls.push(bench.call(get(&format!("/{key}"))));
        let (flights, requests) = bench.layer.dry_run_report().under_way();
        assert!(flights <= most && requests <= 16 * most);
        largest = largest.max(flights);
    }
    let report = bench.layer.dry_run_report();
    assert_eq!(largest, most);
    assert_eq!(report.requests(), keys() as u64);
    assert_eq!(report.unwatched() + report.full() + most as u64, keys() as u64);
    drop(calls);
    let report = bench.layer.dry_run_report();
    assert_eq!((report.under_way(), report.routes().len()), ((0, 0), 1));
}

#[tokio::test]
async fn a_callback_that_panics_fails_nobody_and_is_asked_no_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let dry_run = DryRun::new().on_difference(move |_| {
        count.fetch_add(1, Relaxed);
        panic!("it panics");
    });
    let mut bench: Plain = bench(HttpSingleflightLayer::new().dry_run(dry_run));
    for _ in 0..3 {
        let herd = herd(&mut bench, 3);
        for body in ["a", "b", "c"] {
            bench.next().await.answer(ok(&[], body));
        }
        assert_eq!(texts(herd).await, ["a", "b", "c"]);
    }
    let report = bench.layer.dry_run_report();
    assert_eq!((asked.load(Relaxed), report.is_on_difference_off()), (1, true));
    assert_eq!(report.routes()[0].different(), 6);
    assert!(report.to_string().contains("1 on_difference panicked"), "{report}");
}

/// Sends three requests at once whose answers differ, and reads the report.
async fn differ(layer: HttpSingleflightLayer, path: &str) {
    let mut bench: Plain = bench(layer);
    let calls = [(); 3].map(|()| bench.call(get(path))).map(|call| tokio::spawn(call.into_inner()));
    for (call, body) in calls.into_iter().zip(["a", "b", "c"]) {
        bench.next().await.answer(ok(&[], body));
        assert_eq!(text(call.await.unwrap().unwrap()).await, body);
    }
    assert_eq!(bench.layer.dry_run_report().routes()[0].colour(), Colour::Yellow);
}

#[test]
fn a_callback_that_stands_still_holds_up_no_request_of_another_key() {
    let (stand, beside) = stand();
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let dry_run = DryRun::new().on_difference(move |_| {
        count.fetch_add(1, Relaxed);
        stand.still();
    });
    let layer = HttpSingleflightLayer::new().dry_run(dry_run);
    let [held, others] = [(); 2].map(|()| layer.clone());
    beside.run("on_difference", move || differ(held, "/held"), move || differ(others, "/other"));
    assert_eq!((told.load(Relaxed), layer.dry_run_report().under_way()), (4, (0, 0)));
}

#[tokio::test]
async fn functions_that_panic_fail_no_request() {
    let layers: [HttpSingleflightLayer; 4] = [
        HttpSingleflightLayer::new().coalesce_if(|_| panic!("it panics")),
        HttpSingleflightLayer::new().identity(|_| -> Option<u8> { panic!("it panics") }),
        HttpSingleflightLayer::new().key_fn(|_| -> Option<u8> { panic!("it panics") }),
        HttpSingleflightLayer::new().key_fn(|_| Some(Odd)),
    ];
    for layer in layers {
        let mut bench: Plain = bench(layer.dry_run(DryRun::new()));
        let herd = herd(&mut bench, 3);
        for _ in 0..3 {
            bench.next().await.answer(ok(&[], "rows"));
        }
        assert_eq!(texts(herd).await, ["rows"; 3]);
        let report = bench.layer.dry_run_report();
        assert!(report.panicked() > 0, "{report}");
        assert!(report.to_string().contains("a function of the application panicked"), "{report}");
    }
}

/// A key that panics when it is compared.
struct Odd;

impl std::hash::Hash for Odd {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Odd {
    fn eq(&self, _: &Self) -> bool {
        panic!("it panics")
    }
}

impl Eq for Odd {}

#[tokio::test]
async fn a_label_that_is_odd_is_cut_and_one_that_panics_is_none() {
    for (layer, expected) in [
        (HttpSingleflightLayer::new().label(|_| Some("é".repeat(1000).into())), "é".repeat(64)),
        (HttpSingleflightLayer::new().label(|_| Some("".into())), "other".to_owned()),
        (HttpSingleflightLayer::new().label(|_| panic!("it panics")), "other".to_owned()),
        (HttpSingleflightLayer::new().label(|_| Some("/x\ngreen\u{202e}".into())), "/x\ngreen\u{202e}".to_owned()),
    ] {
        let mut bench: Plain = bench(layer.dry_run(DryRun::new()));
        let call = bench.call(get_with("/x", &[("accept", "x")]));
        bench.next().await.answer(ok(&[], "rows"));
        text(call.await.unwrap()).await;
        let report = bench.layer.dry_run_report();
        assert_eq!(report.routes()[0].route(), expected);
        // All lines of the table are there, and no others, and the JSON is in order.
        assert!(report.to_string().contains(&expected.replace(['\n', '\u{202e}'], " ")), "{report}");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(json["routes"][0]["route"], expected);
    }
}
