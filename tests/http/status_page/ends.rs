//! What becomes of flights.

use std::{future::pending, thread};

use tokio::runtime::Builder;
use tower::{Layer, service_fn};
use tower_singleflight::SingleflightLayer;

use super::*;

type Rows = Result<u64, std::convert::Infallible>;

async fn rows() -> Rows {
    Ok(7)
}

#[tokio::test]
async fn each_end_of_a_flight_is_counted_by_its_name() {
    let page = StatusPage::new();
    let group = Group::<u64, Rows>::new().observed(page.named("rows"));
    group.call(1, rows).await;
    for call in [group.call(1, rows), group.call(1, rows)] {
        call.await;
    }
    for _ in 0..2 {
        let call = group.call(1, || async { resume_unwind(Box::new("a bug")) });
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    }
    for _ in 0..3 {
        assert_pending!(task::spawn(group.call(1, pending)).poll());
    }
    for _ in 0..4 {
        let runtime = Builder::new_current_thread().build().unwrap();
        let entered = runtime.enter();
        let calls = [group.call(1, pending), group.call(1, pending)];
        drop(entered);
        thread::spawn(move || drop(runtime)).join().unwrap();
        drop(calls);
    }
    let layer = SingleflightLayer::new(|key: &u64| Some(*key)).group(group.clone()).share_if(|_: &Rows| false);
    let mut service = layer.layer(service_fn(|_: u64| rows()));
    for _ in 0..5 {
        for call in [service.call(1), service.call(1)] {
            call.await.unwrap();
        }
    }
    assert!(group.is_empty());
    let expected = serde_json::json!({
        "begun": 16, "landed": 2, "shared": 1, "panicked": 2, "abandoned": 3, "lost": 4, "not_shareable": 5
    });
    assert_eq!(snapshot(&page).await["flights"], expected);
    let text = plain(&page).await;
    let line = "\nflights 16 landed 2 shared 1 panicked 2 abandoned 3 lost 4 not_shareable 5\n";
    assert!(text.contains(line), "{text}");
}
