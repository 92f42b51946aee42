//! The live page: what its service answers, and that its numbers are those of `stats`.

mod added;
mod ends;
mod held;

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::channel,
    },
    time::Duration,
};

use axum::{Router, routing::get};
use futures_util::FutureExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::advance;
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt};
use tower_singleflight::{
    Group, HttpSingleflightLayer,
    http::{StatusBody, StatusPage},
};

async fn ask(page: &StatusPage, method: Method, path: &str) -> Response<StatusBody> {
    let request = Request::builder().method(method).uri(path).body(()).unwrap();
    page.clone().call(request).await.unwrap()
}

async fn plain(page: &StatusPage) -> String {
    let body = ask(page, Method::GET, "/plain").await.into_body();
    String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
}

/// Returns the next snapshot of a stream.
async fn next(events: &mut StatusBody) -> Option<Value> {
    loop {
        let frame = events.frame().await?.unwrap().into_data().unwrap();
        if let Some(json) = frame.strip_prefix(b"data: ") {
            assert!(json.ends_with(b"\n\n"));
            return Some(serde_json::from_slice(json).unwrap());
        }
    }
}

/// Returns the first snapshot that a new browser gets.
async fn snapshot(page: &StatusPage) -> Value {
    next(&mut ask(page, Method::GET, "/events").await.into_body()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn on_a_router_it_counts_what_stats_counts() {
    let page = StatusPage::new();
    let layer = HttpSingleflightLayer::new().observe(page.clone());
    let group = layer.get_group().clone();
    let handler = || async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "rows"
    };
    let app: Router =
        Router::new().route("/report/{id}", get(handler)).layer(layer).nest_service("/singleflight", page.clone());
    let request = |path: &str| Request::get(path).header(header::HOST, "a").body(axum::body::Body::empty()).unwrap();
    let mut calls = Vec::new();
    for path in ["/report/1", "/report/1", "/report/2", "/report/1"] {
        let mut call = task::spawn(app.clone().oneshot(request(path)));
        assert_pending!(call.poll());
        calls.push(call);
    }
    let mut cookie = request("/report/1");
    cookie.headers_mut().insert(header::COOKIE, "a=b".parse().unwrap());
    let mut call = task::spawn(app.clone().oneshot(cookie));
    assert_pending!(call.poll());
    calls.push(call);

    let now = &snapshot(&page).await;
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone), (2, 2, 1));
    let counts = |value: &Value| ["led", "followed", "calls"].map(|name| value[name].as_u64().unwrap());
    assert_eq!(counts(&now["calls"]), [stats.led, stats.followed, stats.calls()]);
    assert_eq!(now["calls"]["alone"], serde_json::json!({ "S6Cookie": 1 }));
    assert_eq!(now["routes"].as_array().unwrap().len(), 1);
    assert_eq!(now["routes"][0]["route"], "/report/{id}");
    assert_eq!(counts(&now["routes"][0]), counts(&now["calls"]));
    assert_eq!((&now["now"]["flights"], &now["now"]["calls"]), (&2.into(), &5.into()));
    assert_eq!(now["now"]["by_callers"], serde_json::json!([1, 1, 0, 0, 0]));
    assert_eq!(now["now"]["largest"][0]["callers"], 3);
    assert_eq!(now["now"]["oldest"]["age"], 0);

    advance(Duration::from_secs(1)).await;
    for call in calls {
        assert_eq!(call.into_inner().await.unwrap().status(), StatusCode::OK);
    }
    let end = &snapshot(&page).await;
    assert_eq!(counts(&end["calls"]), counts(&now["calls"]));
    assert_eq!((&end["now"]["flights"], &end["now"]["calls"]), (&0.into(), &0.into()));
    assert_eq!(end["calls"]["saved"], group.stats().saved());
    assert_eq!(end["calls"]["saved_wait"], 2_000);
    assert_eq!(end["seconds"], serde_json::json!([[2, 2, 1]]));
    let p50 = end["routes"][0]["p50"].as_f64().unwrap();
    assert!((1_000.0..1_070.0).contains(&p50), "{p50}");
    assert!(group.is_empty());

    // The page itself is there, with and without a slash at the end.
    for path in ["/singleflight", "/singleflight/"] {
        let response = app.clone().oneshot(request(path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"<!DOCTYPE html>") && body.trim_ascii_end().ends_with(b"</html>"));
    }
    let text =
        app.oneshot(request("/singleflight/plain")).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains("\ncalls 5 led 2 followed 2 alone 1\n"), "{text}");
    assert!(text.contains("  /report/{id} S6Cookie 1\n"), "{text}");
}

#[tokio::test]
async fn only_three_paths_are_there_and_they_are_only_to_be_read() {
    let page = StatusPage::new();
    let kind = |response: &Response<StatusBody>| response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    for (path, expected) in
        [("/", "text/html; charset=utf-8"), ("/plain", "text/plain; charset=utf-8"), ("/events", "text/event-stream")]
    {
        let response = ask(&page, Method::GET, path).await;
        assert_eq!((response.status(), &*kind(&response)), (StatusCode::OK, expected));
        let head = ask(&page, Method::HEAD, path).await;
        assert_eq!((head.status(), head.headers()), (StatusCode::OK, response.headers()));
        assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")] {
            assert_eq!(response.headers()[name], value);
        }
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");

        let response = ask(&page, Method::POST, path).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
    }
    for path in ["/index.html", "/events/", "//", "/plain/x"] {
        for method in [Method::GET, Method::POST] {
            assert_eq!(ask(&page, method, path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}

/// Servers leave content out over HTTP/1, and send it over HTTP/2.
#[tokio::test]
async fn nothing_that_is_said_to_head_has_content() {
    let page = StatusPage::new();
    let elsewhere = page.clone().only_hosts(["status.internal"]);
    for (page, path, status) in [
        (&page, "/plain", StatusCode::OK),
        (&page, "/index.html", StatusCode::NOT_FOUND),
        (&elsewhere, "/plain", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let response = ask(page, Method::HEAD, path).await;
        assert_eq!(response.status(), status);
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_name_of_somebody_elses_is_refused() {
    let page = StatusPage::new().only_hosts(["status.internal"]);
    let status = async |uri: &str, hosts: &[&str]| {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        page.clone().call(request.body(()).unwrap()).await.unwrap().status()
    };
    let here =
        ["127.0.0.1", "127.0.0.1:9000", "[::1]:80", "10.1.2.3", "localhost", "LOCALHOST:1", "Status.Internal:80"];
    for host in here {
        assert_eq!(status("/", &[host]).await, StatusCode::OK, "{host}");
    }
    for host in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "a@127.0.0.1 b", "", "status.internal.x"]
    {
        assert_eq!(status("/", &[host]).await, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    // Neither repeated nor left out, and both if there are two.
    assert_eq!(status("/", &["localhost", "localhost"]).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status("/", &[]).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status("http://localhost/", &[]).await, StatusCode::OK);
    assert_eq!(status("http://localhost/", &["evil.example"]).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status("http://evil.example/", &["localhost"]).await, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn who_reads_slowly_gets_fewer_snapshots_and_each_stream_ends() {
    let page = StatusPage::new();
    let mut events = ask(&page, Method::GET, "/events").await.into_body();
    let up = |snapshot: Option<Value>| snapshot.map(|snapshot| snapshot["up"].as_u64().unwrap());
    assert_eq!(up(next(&mut events).await), Some(0));
    assert_eq!(up(next(&mut events).await), Some(250));
    advance(Duration::from_secs(5)).await;
    assert_eq!(up(next(&mut events).await), Some(5_250), "what was not read in time is not sent");
    assert_eq!(up(next(&mut events).await), Some(5_500));
    let mut last = 0;
    while let Some(up) = up(next(&mut events).await) {
        last = up;
    }
    assert_eq!(last, 59_750);
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_makes_room_for_the_next() {
    let page = StatusPage::new();
    let enter = async || Some(ask(&page, Method::GET, "/events").await).filter(|events| events.status() == 200);
    let mut browsers = Vec::new();
    while let Some(events) = enter().await {
        browsers.push(events.into_body());
    }
    for _ in 0..60 {
        for events in &mut browsers[1..] {
            next(events).await.unwrap();
        }
    }
    let mut newcomer = enter().await.unwrap().into_body();
    assert!(next(&mut newcomer).await.is_some() && next(&mut browsers[0]).await.is_none());
    assert!(next(&mut browsers[1]).await.is_some() && enter().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn one_snapshot_serves_all() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let page = StatusPage::new().section("Asked", move || {
        count.fetch_add(1, Relaxed);
        String::new()
    });
    let mut browsers = Vec::new();
    while let Some(events) = Some(ask(&page, Method::GET, "/events").await).filter(|events| events.status() == 200) {
        browsers.push(events.into_body());
    }
    assert_eq!(browsers.len(), 64, "and the next is told that there are too many");
    for snapshots in 1..=3 {
        for events in &mut browsers {
            next(events).await.unwrap();
        }
        plain(&page).await;
        assert_eq!(asked.load(Relaxed), snapshots);
    }
    drop(browsers);
    assert_eq!(ask(&page, Method::GET, "/events").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_are_counted_as_stats_count_them() {
    let page = StatusPage::new();
    let group = Group::new().observed(page.named("a"));
    let tasks = (0..8).map(|task| {
        let group = group.clone();
        tokio::spawn(async move {
            for number in 0..2_000 {
                let mut call = group.call(number % 7, move || async move {
                    tokio::task::yield_now().await;
                    if number % 50 == 49 {
                        resume_unwind(Box::new("one of fifty"));
                    }
                });
                if number % 10 == task {
                    // It leaves in the middle, if the flight that it has joined has not panicked by then.
                    let _ = futures_util::poll!(AssertUnwindSafe(&mut call).catch_unwind());
                    continue;
                }
                let _ = AssertUnwindSafe(call).catch_unwind().await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(group.is_empty());
    // The last flight's task may tell of its landing after its callers have gone on.
    let mut events = ask(&page, Method::GET, "/events").await.into_body();
    let (mut now, stats) = (next(&mut events).await.unwrap(), group.stats());
    while now["now"]["flights"] != 0 {
        now = next(&mut events).await.expect("a flight has not ended");
    }
    let calls = &now["calls"];
    assert_eq!((&calls["led"], &calls["followed"]), (&stats.led.into(), &stats.followed.into()));
    assert_eq!((&calls["calls"], stats.calls()), (&16_000.into(), 16_000));
    assert_eq!(now["flights"]["abandoned"], stats.abandoned);
    // Who leaves between the landing and its own poll has left for an observer, and was saved for `stats`.
    let saved = calls["saved"].as_u64().unwrap();
    assert!((1..=stats.saved()).contains(&saved), "{saved} of {}", stats.saved());
    assert_eq!(now["now"]["calls"], 0);
    assert_eq!(now["now"]["largest"], serde_json::json!([]));
}
