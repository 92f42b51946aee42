//! The live page in many tabs, hidden and shown. Where there is no chromedriver, a line says that the test was skipped.

use browser_tests::{Browser, Fault, Site};
use tokio::task::JoinSet;
use tower_singleflight::http::StatusPage;

/// More than the connections that a browser has to one server over HTTP/1.1, for all tabs together.
const TABS: usize = 8;

/// Tells the page whether it is seen: without a screen each tab is.
const SEEN: &str = "
    Object.defineProperty(document, 'hidden', { configurable: true, value: !arguments[0] });
    document.dispatchEvent(new Event('visibilitychange'));
";

async fn show(browser: &Browser, seen: bool) -> Result<(), Fault> {
    browser.client().execute(SEEN, vec![seen.into()]).await?;
    Ok(())
}

#[tokio::test]
async fn hidden_tabs_take_no_connection_and_are_live_once_they_are_shown() {
    let Some(browser) = Browser::start(800).await.unwrap() else { return };
    let result = tabs(&browser).await;
    browser.close().await.unwrap();
    result.unwrap();
}

async fn tabs(browser: &Browser) -> Result<(), Fault> {
    let site = Site::start(([127, 0, 0, 1], 0).into(), StatusPage::new())?;
    site.open(true);
    let client = browser.client();
    let mut tabs = vec![client.window().await?];
    for number in 0..TABS {
        if number > 0 {
            show(browser, false).await?;
            tabs.push(client.new_window(true).await?.handle);
            client.switch_to_window(tabs[number].clone()).await?;
        }
        client.goto(&format!("http://{}/status", site.address())).await?;
        browser.until_text("state", "Live.").await?;
        // One that waited for another's stream to end would have waited for a minute.
        let waited = browser.run("return performance.now() < 30_000").await?;
        assert_eq!(waited, true, "tab {number} had no connection");
    }
    show(browser, false).await?;
    let mut calls = JoinSet::new();
    site.send(&mut calls, "/reports/1", 3, true);
    calls.join_all().await;
    for tab in tabs {
        client.switch_to_window(tab).await?;
        assert_eq!(browser.text("calls").await?, "0", "a hidden tab is told nothing");
        show(browser, true).await?;
        browser.until_text("calls", "3").await?;
        assert_eq!(browser.text("state").await?, "Live.");
        show(browser, false).await?;
    }
    Ok(())
}
