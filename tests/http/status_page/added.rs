//! What the application gives the page to show: names, groups, text, a dry run.

use tower_singleflight::http::{HttpEvent, HttpObserver};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_the_application_adds_is_shown_until_it_panics() {
    let page = StatusPage::new();
    let users = Group::new().observed(page.named("users"));
    let mut calls: Vec<_> = (0..3).map(|_| task::spawn(users.call(7, std::future::pending::<u64>))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    let page = page
        .group("users", {
            let users = users.clone();
            move || users.stats()
        })
        .group("broken", || panic!("a bug in the application"))
        .section("<b>Pool</b>", || "3 \u{1b}[31midle\n".to_owned());
    let now = snapshot(&page).await;
    assert_eq!(now["groups"].as_array().unwrap().len(), 1);
    assert_eq!((&now["groups"][0]["group"], &now["groups"][0]["waiting"]), (&"users".into(), &2.into()));
    assert_eq!(now["routes"][0]["route"], "users");
    assert!(plain(&page).await.ends_with("\n<b>Pool</b>\n3  [31midle\n"), "no control character reaches a terminal");
    drop(calls);
    assert!(users.is_empty());
    advance(Duration::from_millis(250)).await;
    let end = snapshot(&page).await;
    assert_eq!((&end["calls"]["left"], &end["flights"]["abandoned"]), (&3.into(), &1.into()));
    assert_eq!((&end["now"]["flights"], &end["calls"]["saved"]), (&0.into(), &0.into()));
}

#[cfg(feature = "dry-run")]
#[tokio::test(start_paused = true)]
async fn the_short_form_shows_the_group_and_the_dry_run() {
    let (layer, page) = HttpSingleflightLayer::new().dry_run(tower_singleflight::http::DryRun::new()).status_page();
    let app: Router = Router::new().route("/report/{id}", get(|| async { "rows" })).layer(layer);
    let request = Request::get("/report/7").header(header::HOST, "a").body(axum::body::Body::empty()).unwrap();
    assert_eq!(app.oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes(), "rows");
    page.on_http(&HttpEvent::Lagged { readers: 2 });
    let now = snapshot(&page).await;
    assert_eq!((&now["groups"][0]["group"], &now["cut"]), (&"layer".into(), &2.into()));
    assert_eq!(now["sections"][0]["title"], "Dry run");
    assert!(now["sections"][0]["text"].as_str().unwrap().contains("/report/{id}"), "{}", now["sections"][0]["text"]);
}

/// What would make an unsafe route safe stands on the page, too.
#[cfg(feature = "dry-run")]
#[tokio::test(start_paused = true)]
async fn a_red_finding_of_the_dry_run_is_shown_with_what_mends_it() {
    let layer = HttpSingleflightLayer::new().ignore_headers(["x-tenant"]);
    let (layer, page) = layer.dry_run(tower_singleflight::http::DryRun::new()).status_page();
    let rows = |headers: http::HeaderMap| async move {
        tokio::task::yield_now().await;
        headers["x-tenant"].to_str().unwrap().to_owned()
    };
    let app: Router = Router::new().route("/report/{id}", get(rows)).layer(layer);
    let calls = ["a", "b", "a", "b"].map(|tenant| {
        let request = Request::get("/report/7").header(header::HOST, "a").header("x-tenant", tenant);
        app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap())
    });
    for response in futures_util::future::join_all(calls).await {
        response.unwrap().into_body().collect().await.unwrap();
    }
    let now = snapshot(&page).await;
    let text = now["sections"][0]["text"].as_str().unwrap();
    assert!(text.contains("by S27: key_header(\"x-tenant\") or coalesce_if(..)"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn labels_cannot_grow_it_and_are_no_html() {
    let page = StatusPage::new();
    for label in 0..1_100 {
        let group = Group::new().observed(page.named(&format!("<script>{label}</script>")));
        group.call(7, || async {}).await;
    }
    let group = Group::new().observed(page.named(&"<img src=x>".repeat(1_000)));
    group.call(7, || async {}).await;
    let now = snapshot(&page).await;
    let routes = now["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 1_001);
    assert_eq!((&routes[7]["route"], &routes[1_000]["route"]), (&"<script>7</script>".into(), &"other".into()));
    assert_eq!(routes[1_000]["led"], 101);
    // The page itself is the same for all.
    let html = ask(&page, Method::GET, "/").await.into_body().collect().await.unwrap().to_bytes();
    assert!(!std::str::from_utf8(&html).unwrap().contains("<script>7"));
}

#[tokio::test(start_paused = true)]
async fn names_may_be_empty_huge_or_not_ascii() {
    let page = StatusPage::new();
    let names = ["", &"é".repeat(100_000), "レポート", "\u{202e}stroper", "two\nlines"];
    let groups = names.map(|name| Group::new().observed(page.named(name)));
    let mut page = page.clone();
    for (name, group) in names.iter().zip(&groups) {
        group.call(7, || async {}).await;
        let stats = group.clone();
        page = page.group(name, move || stats.stats()).section(name, || "é".repeat(20_000));
    }
    let now = snapshot(&page).await;
    let shown: Vec<_> =
        now["routes"].as_array().unwrap().iter().map(|route| route["route"].as_str().unwrap()).collect();
    assert_eq!(shown, ["", &"é".repeat(64), names[2], names[3], names[4]]);
    assert_eq!(now["groups"].as_array().unwrap().len(), names.len());
    let sections = now["sections"].as_array().unwrap();
    assert!(sections.iter().all(|section| section["text"].as_str().unwrap().len() <= 16 << 10));
    // A terminal has a line for each, and nothing that moves its cursor or turns its direction.
    let plain = plain(&page).await;
    assert!(plain.contains("レポート") && plain.contains("two lines"), "{plain}");
    assert!(plain.chars().all(|letter| letter == '\n' || !(letter.is_control() || letter == '\u{202e}')));
}

/// Each asked the other without end, and the process ended when the stack did.
#[tokio::test(start_paused = true)]
async fn text_that_is_made_of_the_page_does_not_ask_for_itself() {
    let page = StatusPage::new();
    let shown = Arc::new(OnceLock::<StatusPage>::new());
    let page = page.group("none", || Group::<u64, u64>::new().stats()).section("Page", {
        let shown = Arc::clone(&shown);
        move || plain(shown.get().unwrap()).now_or_never().unwrap()
    });
    shown.set(page.clone()).unwrap();
    let text = snapshot(&page).await["sections"][0]["text"].to_string();
    assert!(text.contains("tower-singleflight") && !text.contains("\\nPage\\n"), "{text}");
    advance(Duration::from_millis(250)).await;
    let text = snapshot(&page).await["sections"][0]["text"].to_string();
    assert_eq!((text.matches("\\nPage\\n").count(), text.matches("group none").count()), (1, 1), "{text}");
}

/// One caller is held up, who has asked; each of the others was, too.
#[tokio::test(start_paused = true)]
async fn text_that_does_not_come_holds_up_nobody_but_who_has_asked_for_it() {
    let (asked, asks) = channel();
    let (answer, answers) = channel();
    let (asked, answers) = (Mutex::new(asked), Mutex::new(answers));
    let page = StatusPage::new().section("Pool", move || {
        asked.lock().unwrap().send(()).unwrap();
        answers.lock().unwrap().recv().unwrap()
    });
    answer.send("3 idle".to_owned()).unwrap();
    assert_eq!(snapshot(&page).await["sections"][0]["text"], "3 idle");
    asks.recv().unwrap();

    advance(Duration::from_secs(2)).await;
    let (waiting, runtime) = (page.clone(), tokio::runtime::Handle::current());
    let waiting = std::thread::spawn(move || {
        let _paused = runtime.enter();
        snapshot(&waiting).now_or_never().unwrap()
    });
    asks.recv().unwrap();
    for _ in 0..10 {
        advance(Duration::from_millis(500)).await;
        assert_eq!(snapshot(&page).await["sections"][0]["text"], "3 idle", "as it was said before");
    }
    answer.send("2 idle".to_owned()).unwrap();
    assert_eq!(waiting.join().unwrap()["sections"][0]["text"], "2 idle");
    advance(Duration::from_millis(250)).await;
    answer.send("1 idle".to_owned()).unwrap();
    assert_eq!(snapshot(&page).await["sections"][0]["text"], "1 idle");
}
