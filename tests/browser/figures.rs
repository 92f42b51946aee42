//! The figures of the live page that `stats` does not have: calls in a second and their chart, waits, bodies, and what a dry
//! run found. Where there is no chromedriver, a line says that the test was skipped.

use std::{convert::Infallible, time::Duration};

use browser_tests::{Browser, Fault, Site};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    Event, Group, HttpSingleflightLayer, Observer, Reason, Role,
    http::{DryRun, HttpEvent, HttpObserver, StatusPage},
};

/// Runs a test in a browser of its own, which is closed however it ends.
async fn in_browser(page: StatusPage, test: impl AsyncFnOnce(&Browser) -> Result<(), Fault>) {
    let Some(browser) = Browser::start(1_200).await.unwrap() else { return };
    let site = Site::start(([127, 0, 0, 1], 0).into(), page).unwrap();
    browser.client().goto(&format!("http://{}/status/", site.address())).await.unwrap();
    let result = test(&browser).await;
    browser.close().await.unwrap();
    result.unwrap();
}

/// Tells a page of calls that went alone, and of what they waited.
fn waited(page: &StatusPage, role: Role, label: &str, count: usize, wait: Duration) {
    for _ in 0..count {
        page.on(&Event::Alone { reason: Reason::NoKey, why: "NoKey", label: Some(label) });
        page.on(&Event::Answered { role, waited: wait, callers: 1, label: Some(label) });
    }
}

#[tokio::test]
async fn waits_and_bodies_are_what_the_page_was_told() {
    let page = StatusPage::new();
    in_browser(page.clone(), async |browser| {
        browser.until_text("saved-wait", "0.0 ms").await?;
        browser.until_text("held", "0 B").await?;
        waited(&page, Role::Leader, "/some", 90, Duration::from_millis(100));
        waited(&page, Role::Leader, "/some", 10, Duration::from_secs(4));
        waited(&page, Role::Follower, "/saved", 2, Duration::from_millis(1_500));
        browser.until_text("saved-wait", "3.00 s").await?;
        browser.until_text("saved", "2").await?;
        let waits = "return [...document.querySelectorAll('#routes tbody tr')].filter((row) => row.cells[0].textContent === \
                     '/some').map((row) => [row.cells[7].textContent, row.cells[8].textContent])[0]";
        browser.until(&format!("{waits}?.every((wait) => wait !== '–')"), true).await?;
        let shown = browser.run(waits).await?;
        let number = |cell: usize, unit: &str| -> f64 {
            let text = shown[cell].as_str().and_then(|text| text.strip_suffix(unit));
            text.unwrap_or_else(|| panic!("{shown} in{unit}")).parse().unwrap()
        };
        // Within 7 % above.
        assert!((100.0..=107.0).contains(&number(0, " ms")), "{shown}");
        assert!((4.0..=4.28).contains(&number(1, " s")), "{shown}");

        page.on_http(&HttpEvent::Lagged { readers: 3 });
        page.named("reports").on_http(&HttpEvent::Held { bytes: 3 << 19 });
        page.named("pages").on_http(&HttpEvent::Held { bytes: 1 << 10 });
        browser.until_text("cut", "3").await?;
        browser.until_text("held", "1.5 MiB").await?;
        browser.until_text("held-more", "reports 1.5 MiB, pages 1.0 KiB").await?;
        page.named("reports").on_http(&HttpEvent::Held { bytes: -(3 << 19) });
        page.named("pages").on_http(&HttpEvent::Held { bytes: -(1 << 10) });
        browser.until_text("held", "0 B").await?;
        browser.until_text("held-more", "").await?;
        Ok(())
    })
    .await;
}

/// What a paused page shows of the last second, and what the server says of that second: whole seconds do not change.
const SECOND: &str = "
    const done = arguments[0];
    const text = (id) => document.getElementById(id).textContent;
    const number = (id) => Number(text(id).replaceAll(',', ''));
    const points = (id) => document.getElementById('area-' + id).getAttribute('d').slice(1, -1).split('L');
    const roof = (id) => Number(points(id)[points(id).length / 2 - 1].split(' ')[1]);
    const shown = ['led', 'followed', 'alone'].map((role) => number('now-' + role));
    const top = Number(text('top').replaceAll(',', '').split(' ')[0]);
    const chart = ['led', 'followed', 'alone'].map((role) => Math.round((100 - roof(role)) * top / 96));
    const whole = points('alone').length / 2;
    (async () => {
        const reader = (await fetch('events')).body.getReader();
        let said = '';
        while (!/data: .*\\n\\n/.test(said)) said += new TextDecoder().decode((await reader.read()).value);
        await reader.cancel();
        const seconds = JSON.parse(said.match(/data: (.*)\\n\\n/)[1]).seconds;
        const most = Math.max(...seconds.slice(0, whole).map(([led, followed, alone]) => led + followed + alone));
        done({ shown, chart, said: seconds[whole - 1], most, rate: number('rate'), share: text('rate-more'), caption: text('seconds-text') });
    })().catch((error) => done(String(error)));
";

#[tokio::test]
async fn the_last_second_and_its_chart_are_what_the_server_counted() {
    let page = StatusPage::new();
    in_browser(page.clone(), async |browser| {
        let group = Group::new().observed(page.named("calls"));
        let calls = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                join_all([(); 4].map(|()| group.call(7, || async {}))).await;
                waited(&page, Role::Alone(Reason::NoKey), "/alone", 2, Duration::ZERO);
            }
        });
        // One whole second with each role in it.
        let all = "return ['led', 'followed', 'alone'].every((role) => document.getElementById('now-' + role).textContent !== '0')";
        browser.until(all, true).await?;
        browser.element("pause").await?.click().await?;
        browser.until_text("state", "Paused.").await?;
        // What was last drawn may have waited for a frame.
        browser.client().execute_async("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))", Vec::new()).await?;
        let found = browser.client().execute_async(SECOND, Vec::new()).await?;
        let [led, followed, alone] = [0, 1, 2].map(|role| found["said"][role].as_u64().unwrap());
        let rate = led + followed + alone;
        assert_eq!(found["shown"], found["said"], "{found}");
        assert_eq!(found["chart"], json!([led, led + followed, rate]), "{found}");
        assert_eq!(found["rate"], rate, "{found}");
        let share = (rate > 0).then(|| format!("{} % followed", (100.0 * followed as f64 / rate as f64).round()));
        assert_eq!(found["share"], share.unwrap_or_default(), "{found}");
        let caption = format!(
            "In the last whole second {led} led, {followed} followed and {alone} went alone; at most {} calls in one second.",
            found["most"]
        );
        assert_eq!(found["caption"], caption);
        calls.abort();
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_the_dry_run_found_stands_there() {
    let (layer, page) = HttpSingleflightLayer::new().ignore_headers(["x-tenant"]).dry_run(DryRun::new()).status_page();
    let mut rows = layer.layer(service_fn(|request: Request<Full<Bytes>>| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(Full::from(request.headers()["x-tenant"].as_bytes().to_vec())))
    }));
    let calls = ["a", "b", "a", "b"].map(|tenant| {
        let request = Request::get("http://h/x").header("x-tenant", tenant);
        rows.call(request.body(Full::default()).unwrap())
    });
    for response in join_all(calls).await {
        response.unwrap().into_body().collect().await.unwrap();
    }
    in_browser(page, async |browser| {
        let section = "return [...document.querySelectorAll('#sections section')].map((section) => \
                       [section.firstElementChild.textContent, section.lastElementChild.textContent.split('\\n').slice(1)])";
        // The first line says since when it runs.
        let report = layer.dry_run_report().to_string();
        let lines: Vec<_> = report.split('\n').skip(1).collect();
        assert!(lines.iter().any(|line| line.starts_with("red ")), "{report}");
        assert!(report.contains("key_header(\"x-tenant\")"), "{report}");
        browser.until(section, json!([["Dry run", lines]])).await?;
        Ok(())
    })
    .await;
}
