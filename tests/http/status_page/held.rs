//! What shared bodies keep in memory for readers that are behind others.

use serde_json::json;

use super::*;
use crate::origin::{Frames, OriginBody, Plain, bench, get as asked};

type Reader = tower_singleflight::SharedBody<OriginBody>;

/// A body that two read; both bodies are under way while their bench is held.
async fn shared(page: StatusPage) -> (Plain, Frames, [Reader; 2]) {
    let mut bench: Plain = bench(HttpSingleflightLayer::new().observe(page));
    let calls = [bench.call(asked("/x")), bench.call(asked("/x"))];
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(Response::new(body));
    let [first, second] = calls;
    let readers = [first.await.unwrap().into_body(), second.await.unwrap().into_body()];
    (bench, frames, readers)
}

/// The bytes that a frame of so many weighs.
const fn weight(bytes: usize) -> usize {
    bytes + 64
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_slower_readers_is_shown_layer_by_layer_until_they_have_read_it() {
    let page = StatusPage::new();
    let (_reports, report, [mut fast, slow]) = shared(page.named("reports")).await;
    let (_pages, pages, [mut first, mut second]) = shared(page.clone()).await;
    assert_eq!(snapshot(&page).await["held"], json!([]));

    report.data("ten bytes!");
    fast.frame().await.unwrap().unwrap();
    pages.data("one");
    first.frame().await.unwrap().unwrap();
    advance(Duration::from_millis(250)).await;
    let held = [json!({ "name": "(no label)", "bytes": weight(3) }), json!({ "name": "reports", "bytes": weight(10) })];
    assert_eq!(snapshot(&page).await["held"], json!(held));
    let text = plain(&page).await;
    assert!(text.contains(&format!(" readers_cut 0 held {}\n", weight(3) + weight(10))), "{text}");
    assert!(text.contains(&format!("\nheld reports {} bytes for slower readers\n", weight(10))), "{text}");

    second.frame().await.unwrap().unwrap();
    advance(Duration::from_millis(250)).await;
    assert_eq!(snapshot(&page).await["held"], json!([held[1]]));
    drop((slow, fast));
    advance(Duration::from_millis(250)).await;
    assert_eq!(snapshot(&page).await["held"], json!([]));
    assert!(plain(&page).await.contains(" readers_cut 0 held 0\n"));
}
