//! The live page in Chromium. Where there is no chromedriver, a line says that each test was skipped.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use browser_tests::{Browser, Fault, Site};
use fantoccini::key::Key;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tower::Service;
use tower_singleflight::{
    Group,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
    http::StatusPage,
};

/// Runs a test in a browser of its own, which is closed however it ends.
async fn in_browser(width: u32, test: impl AsyncFnOnce(&Browser) -> Result<(), Fault>) {
    let Some(browser) = Browser::start(width).await.unwrap() else { return };
    let result = test(&browser).await;
    browser.close().await.unwrap();
    result.unwrap();
}

fn site(page: StatusPage) -> Site {
    Site::start(([127, 0, 0, 1], 0).into(), page).unwrap()
}

#[tokio::test]
async fn what_it_says_is_what_stats_say() {
    in_browser(1_200, async |browser| {
        let site = site(StatusPage::new());
        browser.client().goto(&format!("http://{}/status", site.address())).await?;
        let mut calls = JoinSet::new();
        site.send(&mut calls, "/reports/1", 100, false);
        site.send(&mut calls, "/reports/2", 1, false);
        site.send(&mut calls, "/pages/2", 3, true);
        browser.until_text("under-way", "104").await?;
        let stats = site.stats();
        assert_eq!((stats.led, stats.followed, stats.alone, stats.in_flight), (2, 99, 3, 2));
        for (id, number) in [
            ("calls", stats.calls()),
            ("led", stats.led),
            ("followed", stats.followed),
            ("alone", stats.alone),
            ("flights", stats.in_flight as u64),
        ] {
            browser.until_text(id, &number.to_string()).await?;
        }
        browser.until_text("by-callers", "1 with one, 1 with 100 to 999.").await?;
        browser.until_text("oldest-more", "/reports/{id}").await?;
        let row = "return [...document.querySelector('#groups tbody tr').cells].map((cell) => cell.textContent)";
        browser.until(row, json!(["site", "2", "101", "99", "2", "99", "3", "99", "0"])).await?;

        site.open(true);
        calls.join_all().await;
        browser.until_text("saved", &site.stats().saved().to_string()).await?;
        browser.until_text("flights", "0").await?;
        browser.until_text("oldest", "none").await?;
        let rows = "return [...document.querySelectorAll('#routes tbody tr')].map((row) => row.cells[0].textContent + ' ' \
                    + row.cells[1].textContent + ' ' + row.cells[9].textContent)";
        browser.until(rows, json!(["/reports/{id} 101 ", "/pages/{id} 3 S6Cookie 3"])).await?;
        assert_eq!(site.stats().in_flight, 0);
        assert_eq!(browser.run("return document.getElementById('fleets-section').hidden").await?, true);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn it_goes_on_after_the_server_is_started_anew() {
    in_browser(1_200, async |browser| {
        let first = site(StatusPage::new());
        let address = first.address();
        browser.client().goto(&format!("http://{address}/status/")).await?;
        browser.until_text("state", "Live.").await?;
        let mut calls = JoinSet::new();
        first.send(&mut calls, "/reports/1", 7, false);
        browser.until_text("calls", "7").await?;
        drop(first);
        browser.until("return document.getElementById('state').className", "lost").await?;

        let second = Site::start(address, StatusPage::new())?;
        second.open(true);
        second.send(&mut calls, "/reports/1", 3, true);
        browser.until_text("calls", "3").await?;
        browser.until("return document.getElementById('state').textContent.includes('started anew')", true).await?;
        Ok(())
    })
    .await;
}

/// A proxy that takes slashes together, as nginx does, shows the page at addresses that begin with two.
#[tokio::test]
async fn at_whatever_address_it_asks_nobody_but_its_own_server() {
    in_browser(1_200, async |browser| {
        let page = StatusPage::new();
        let merged = tower::service_fn(move |mut request: Request<Body>| {
            let last = request.uri().path().rsplit('/').next().unwrap_or_default();
            *request.uri_mut() = format!("/{last}").parse().unwrap();
            page.clone().call(request)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let server = format!("http://{}", listener.local_addr()?);
        tokio::spawn(axum::serve(listener, Router::new().fallback_service(merged)).into_future());
        for path in ["//elsewhere.invalid/status/", "//status/", "/a%20b/status/", "/"] {
            browser.client().goto(&format!("{server}{path}")).await?;
            let link = browser.run("return document.getElementById('plain').href").await?;
            assert_eq!(link, format!("{server}{path}plain"));
            browser.until_text("state", "Live.").await?;
        }
        Ok(())
    })
    .await;
}

/// What the clock on the wall says is no measure of silence: it may be set back.
#[tokio::test]
async fn silence_is_noticed_whatever_the_clock_says() {
    in_browser(1_200, async |browser| {
        let site = site(StatusPage::new());
        browser.client().goto(&format!("http://{}/status", site.address())).await?;
        browser.until_text("state", "Live.").await?;
        browser.run("const now = Date.now; Date.now = () => now() - 3_600_000").await?;
        drop(site);
        browser.until("return document.getElementById('state').className", "lost").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_thousand_routes_beside_ten_thousand_flights_a_second_do_not_freeze_it() {
    in_browser(1_200, async |browser| {
        let page = StatusPage::new();
        let groups: Vec<_> = (0..1_000).map(|n| Group::new().observed(page.named(&format!("/route/{n:03}")))).collect();
        let site = site(page);
        let mut flights = JoinSet::new();
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&begun);
        // A hundred flights at a time of each tenth route, every ten milliseconds.
        flights.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            for first in (0..10).cycle() {
                ticks.tick().await;
                for group in groups.iter().skip(first).step_by(10) {
                    let (_, _) = tokio::join!(group.call(7, || async {}), group.call(7, || async {}));
                    counted.fetch_add(1, Relaxed);
                }
            }
        });
        browser.client().goto(&format!("http://{}/status", site.address())).await?;
        browser.until_text("shown", "The first 100 of 1,000.").await?;
        browser.element("more").await?.click().await?;
        let rows = "return document.querySelectorAll('#routes tbody tr').length";
        browser.until(rows, 1_000).await?;
        // Frames, and the longest time between two of them, over two seconds in which all rows change.
        let before = begun.load(Relaxed);
        let drawn = browser
            .client()
            .execute_async(
                "const done = arguments[0]; const start = performance.now(); let last = start; let gap = 0; let frames = 0;
                 const frame = (now) => { gap = Math.max(gap, now - last); last = now; frames += 1;
                     if (now - start < 2000) requestAnimationFrame(frame); else done([frames, gap]); };
                 requestAnimationFrame(frame);",
                Vec::new(),
            )
            .await?;
        let (frames, gap) = (drawn[0].as_u64().unwrap(), drawn[1].as_f64().unwrap());
        let flights = begun.load(Relaxed) - before;
        // Recorded in docs/benchmarks.md. How many and how long they are says as much of the machine as of the page, so the
        // floors are low: 20,000 flights are asked for, and a machine with nothing else to do draws 60 frames a second.
        println!("{flights} flights, {frames} frames, the longest time between two of them is {gap:.0} ms");
        assert!(frames >= 4, "{frames} frames in two seconds");
        assert!(flights >= 1_000, "{flights} flights in two seconds");
        browser.element("filter").await?.send_keys("/route/77").await?;
        browser.until_text("shown", "10 routes.").await?;
        browser.until(rows, 10).await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn no_label_is_taken_for_html_and_no_other_script_runs() {
    in_browser(1_200, async |browser| {
        let page = StatusPage::new();
        let hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";
        let group = Group::new().observed(page.named(hostile));
        let fleet = Fleet::new(MemoryEngine::new(), [7; 32]).observed(|_| resume_unwind(Box::new("an observer")));
        fleet.call(&Group::new(), 7, PostcardCodec::new(), || async {}).await;
        assert_eq!(fleet.stats().led, 1);
        let site = site(page.section(hostile, move || hostile.to_owned()).fleet(hostile, fleet));
        let mut calls = JoinSet::new();
        calls.spawn(async move { group.call(7, std::future::pending::<()>).await });
        browser.client().goto(&format!("http://{}/status", site.address())).await?;
        browser.until("return document.querySelector('#routes tbody th')?.textContent", hostile).await?;
        browser.until("return document.querySelector('#sections pre')?.textContent", hostile).await?;
        browser.until_text("oldest-more", hostile).await?;
        let row = "return [...document.querySelector('#fleets tbody tr').cells].map((cell) => cell.textContent)";
        browser.until(row, json!([hostile, "asked", "1", "0", "0", "0", "0", "0", "0", "0", "1", ""])).await?;
        browser.until_text("off", "1").await?;
        browser.until("return document.querySelectorAll('img, body script:not(:last-of-type)').length", 0).await?;
        // Were one in the page after all, the policy would keep it from running.
        let script = "window.owned = 0; const script = document.createElement('script'); script.textContent = 'owned = 1'; \
                      document.body.append(script); return owned";
        assert_eq!(browser.run(script).await?, 0);
        assert_eq!(browser.client().title().await?, "Singleflight");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn it_fits_a_phone_and_a_keyboard_is_enough() {
    in_browser(500, async |browser| {
        let fleet = Fleet::new(MemoryEngine::new(), [7; 32]);
        let site = site(StatusPage::new().fleet("a fleet with a name that is not short", fleet));
        site.open(true);
        let mut calls = JoinSet::new();
        site.send(&mut calls, "/reports/1", 3, true);
        site.send(&mut calls, "/pages/1", 2, true);
        browser.client().set_window_size(390, 844).await?;
        browser.client().goto(&format!("http://{}/status", site.address())).await?;
        browser.until_text("calls", "5").await?;
        let wide = "return document.documentElement.scrollWidth > document.documentElement.clientWidth";
        assert_eq!(browser.run(wide).await?, false, "it is wider than the window");
        assert_eq!(browser.run("return document.getElementById('fleets-section').hidden").await?, false);

        // All that can be used is reached by the tabulator key, in this order.
        let mut reached = Vec::new();
        for _ in 0..8 {
            browser.client().active_element().await?.send_keys(&Key::Tab.to_string()).await?;
            let name = "const e = document.activeElement; return e.id || e.ariaLabel || e.dataset.by || e.tagName";
            reached.push(browser.run(name).await?);
        }
        let first = ["pause", "plain", "filter", "Routes", "route", "calls", "led", "followed"];
        assert_eq!(reached, first);
        let sorted = "return document.querySelector('#routes th[aria-sort]').textContent.trim() + ' ' \
                      + document.querySelector('#routes th[aria-sort]').ariaSort";
        assert_eq!(browser.run(sorted).await?, "Calls descending");
        browser.run("document.querySelector('[data-by=route]').focus()").await?;
        browser.client().active_element().await?.send_keys(&Key::Enter.to_string()).await?;
        browser.until(sorted, "Route ascending").await?;
        browser.until("return document.querySelector('#routes tbody th').textContent", "/pages/{id}").await?;

        // Paused, nothing moves but what the reader moves.
        browser.run("document.getElementById('pause').focus()").await?;
        browser.client().active_element().await?.send_keys(" ").await?;
        browser.until_text("state", "Paused.").await?;
        site.send(&mut calls, "/pages/1", 2, true);
        calls.join_all().await;
        browser.element("filter").await?.send_keys("/reports").await?;
        browser.until_text("shown", "1 route.").await?;
        browser
            .until("return document.querySelector('#routes tbody').textContent.slice(0, 14)", "/reports/{id}3")
            .await?;
        browser.run("document.querySelector('[data-by=route]').click()").await?;
        browser.until(sorted, "Route descending").await?;
        assert_eq!(browser.text("calls").await?, "5");
        browser.run("document.getElementById('pause').focus()").await?;
        browser.client().active_element().await?.send_keys(" ").await?;
        browser.until_text("calls", "7").await?;
        Ok(())
    })
    .await;
}
