//! The live page of layers that are in a fleet: it says what `Fleet::stats` says.

use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::advance;
use tower::ServiceExt;
use tower_singleflight::{
    HttpSingleflightLayer,
    fleet::{Fleet, FleetEvent, FleetReason, FleetRole, FleetStats, MemoryEngine},
    http::StatusPage,
};

use super::{answered, ask, fleet, local};
use crate::origin::{Plain, bench, get, ok, request, text};

struct Process {
    node: Plain,
    fleet: Fleet,
    page: StatusPage,
}

fn process(engine: &MemoryEngine) -> Process {
    let fleet = Fleet::new(engine.clone(), [7; 32]);
    let (layer, page) = HttpSingleflightLayer::new().fleet(fleet.clone(), "pages").status_page();
    Process { node: bench(layer), fleet, page }
}

/// Returns what a browser is sent and what a terminal shows, made anew.
async fn shown(page: &StatusPage) -> (Value, String) {
    advance(Duration::from_millis(250)).await;
    let open = async |path: &str| page.clone().oneshot(Request::get(path).body(()).unwrap()).await.unwrap().into_body();
    let mut events = open("/events").await;
    let json = loop {
        let frame = events.frame().await.unwrap().unwrap().into_data().unwrap();
        if let Some(json) = frame.strip_prefix(b"data: ") {
            break serde_json::from_slice(json).unwrap();
        }
    };
    let plain = open("/plain").await.collect().await.unwrap().to_bytes();
    (json, String::from_utf8(plain.into()).unwrap())
}

/// Looks whether both say what `stats` says, and that these were the reasons.
async fn is_shown(process: &Process, reasons: &[(FleetReason, u64)]) -> FleetStats {
    let (json, plain) = shown(&process.page).await;
    let stats = process.fleet.stats();
    let local_by: Value = reasons.iter().map(|(reason, flights)| (reason.name().to_owned(), json!(flights))).collect();
    let expected = json!([{
        "fleet": "pages",
        "led": stats.led,
        "landed": stats.landed,
        "followed": stats.followed,
        "local": stats.local,
        "local_by": local_by,
        "without_engine": stats.without_engine,
        "lost": stats.lost,
        "bad_messages": stats.bad_messages,
        "unfenced": stats.unfenced,
        "skipping": stats.skipping,
        "untold": stats.untold,
        "observers_off": stats.observers_off,
    }]);
    assert_eq!(json["fleets"], expected);
    assert_eq!(reasons.iter().map(|(_, flights)| flights).sum::<u64>(), stats.local);
    let engine = if stats.skipping { "skipped" } else { "asked" };
    let mut lines = format!(
        "\nfleet pages engine {engine} led {} landed {} followed {} local {} without_engine {} lost {} bad_messages {} \
         unfenced {} untold {} observers_off {}\n",
        stats.led,
        stats.landed,
        stats.followed,
        stats.local,
        stats.without_engine,
        stats.lost,
        stats.bad_messages,
        stats.unfenced,
        stats.untold,
        stats.observers_off
    );
    if !reasons.is_empty() {
        lines += "fleet pages local";
        reasons.iter().for_each(|(reason, flights)| lines += &format!(" {} {flights}", reason.name()));
        lines += "\n";
    }
    assert!(plain.contains(&lines), "{lines}is not in\n{plain}");
    stats
}

#[tokio::test(start_paused = true)]
async fn the_page_says_what_the_stats_of_the_fleet_say() {
    let engine = MemoryEngine::new();
    let (mut a, mut b) = (process(&engine), process(&engine));
    let untold = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&untold);
    drop(b.fleet.clone().observed(move |event| {
        if let FleetEvent::Untold { scopes } = event {
            seen.lock().unwrap().push(*scopes);
        }
    }));
    let (first, second) = (ask(&mut a.node, get("http://h/x")).await, ask(&mut b.node, get("http://h/x")).await);
    a.node.next().await.answer(ok(&[], "rows"));
    for (task, role) in [(first, FleetRole::Led), (second, FleetRole::Followed)] {
        let response = answered(task).await;
        assert_eq!((fleet(&response), text(response).await), (Some(role), "rows".into()));
    }
    let stats = is_shown(&a, &[]).await;
    assert_eq!((stats.led, stats.landed, stats.followed, stats.local), (1, 1, 0, 0));
    let stats = is_shown(&b, &[]).await;
    assert_eq!((stats.led, stats.followed, stats.local, stats.skipping), (0, 1, 0, false));

    // Without the engine three flights try it, one does not; and a write waits to be told.
    engine.fail();
    for reason in [FleetReason::Unavailable; 3].into_iter().chain([FleetReason::Skipped]) {
        let alone = ask(&mut b.node, get("http://h/x")).await;
        b.node.next().await.answer(ok(&[], "rows"));
        assert_eq!(fleet(&answered(alone).await), local(reason));
    }
    let write = ask(&mut b.node, request("POST", "http://h/x", &[])).await;
    b.node.next().await.answer(ok(&[], "written"));
    answered(write).await;
    let stats = is_shown(&b, &[(FleetReason::Unavailable, 3), (FleetReason::Skipped, 1)]).await;
    assert_eq!((stats.local, stats.without_engine, stats.skipping), (4, 4, true));
    assert_eq!((stats.unfenced, stats.untold), (1, 1));
    assert_eq!(*untold.lock().unwrap(), [1]);

    // It answers again, and is told.
    engine.resume();
    for _ in 0..10 {
        advance(Duration::from_millis(500)).await;
        b.node.settle().await;
    }
    let led = ask(&mut b.node, get("http://h/x")).await;
    b.node.next().await.answer(ok(&[], "new"));
    assert_eq!(fleet(&answered(led).await), Some(FleetRole::Led));
    let stats = is_shown(&b, &[(FleetReason::Unavailable, 3), (FleetReason::Skipped, 1)]).await;
    assert_eq!((stats.led, stats.unfenced, stats.untold, stats.skipping), (1, 1, 0, false));
    assert_eq!(*untold.lock().unwrap(), [1, 0]);

    // An observer that panics is told nothing any more, and the page says so.
    drop(b.fleet.clone().observed(|_| resume_unwind(Box::new("an observer"))));
    let led = ask(&mut b.node, get("http://h/x")).await;
    b.node.next().await.answer(ok(&[], "newer"));
    assert_eq!(fleet(&answered(led).await), Some(FleetRole::Led));
    let stats = is_shown(&b, &[(FleetReason::Unavailable, 3), (FleetReason::Skipped, 1)]).await;
    assert_eq!((stats.led, stats.observers_off), (2, 1));
    assert!(a.node.group.is_empty() && b.node.group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_in_no_fleet_has_no_fleet_on_its_page() {
    let (_layer, page) = HttpSingleflightLayer::new().status_page();
    let (json, plain) = shown(&page).await;
    assert_eq!(json["fleets"], json!([]));
    assert!(!plain.contains("fleet"), "{plain}");
}

#[tokio::test(start_paused = true)]
async fn the_long_form_shows_each_fleet_that_it_is_given() {
    let engine = MemoryEngine::new();
    let fleets = [(); 2].map(|()| Fleet::new(engine.clone(), [7; 32]));
    let [one, other] = fleets;
    let page = StatusPage::new().fleet("one", one).fleet("oth\u{1b}er", other);
    let (json, plain) = shown(&page).await;
    assert_eq!((&json["fleets"][0]["fleet"], &json["fleets"][1]["fleet"]), (&json!("one"), &json!("oth\u{1b}er")));
    assert!(plain.contains("\nfleet oth er engine asked led 0"), "no control character reaches a terminal: {plain}");
}
