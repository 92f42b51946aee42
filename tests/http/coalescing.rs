//! What coalesces, and when it no longer does.

use tower_singleflight::{HttpSingleflightLayer, Role};

use crate::origin::{Fault, bench, get, ok, role, text};

#[tokio::test]
async fn t01_a_hundred_identical_requests_are_one_call_and_get_equal_answers() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..100).map(|_| bench.call(get("/x"))).collect();
    assert_eq!(bench.callers(get("/x")), 100);
    bench.next().await.answer(ok(&[("x-rows", "7"), ("connection", "x-hop"), ("x-hop", "1")], "rows"));
    let mut leaders = 0;
    for call in calls {
        let response = call.await.unwrap();
        leaders += usize::from(role(&response) == Role::Leader);
        assert_eq!(response.headers()["x-rows"], "7");
        assert_eq!(text(response).await, "rows");
    }
    assert_eq!((leaders, bench.count().await), (1, 1));
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn t02_a_request_after_the_head_was_delivered_starts_anew() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let mut first = bench.call(get("/x"));
    let held = bench.next().await;
    held.answer(ok(&[], "one"));
    assert!(first.poll().is_ready());
    let second = bench.call(get("/x"));
    bench.next().await.answer(ok(&[], "two"));
    assert_eq!(text(second.await.unwrap()).await, "two");
    assert_eq!(bench.count().await, 2);
}

#[tokio::test]
async fn t36_a_panic_of_the_service_is_every_callers_and_leaves_no_key() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    bench.next().await.panic();
    for call in calls {
        assert!(tokio::spawn(async { panic_of(call).await }).await.unwrap());
    }
    assert!(bench.group.is_empty());
    let again = bench.call(get("/x"));
    bench.next().await.answer(ok(&[], "fine"));
    assert_eq!(text(again.await.unwrap()).await, "fine");
}

async fn panic_of<F: Future + Send>(future: F) -> bool {
    use futures_util::FutureExt;
    std::panic::AssertUnwindSafe(future).catch_unwind().await.is_err()
}

#[tokio::test]
async fn t42_an_error_reaches_all_who_waited_and_nobody_later() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..6).map(|_| bench.call(get("/x"))).collect();
    bench.next().await.fail("down");
    for call in calls {
        assert_eq!(call.await.unwrap_err(), Fault("down"));
    }
    assert_eq!(bench.count().await, 1);
    let later = bench.call(get("/x"));
    bench.next().await.answer(ok(&[], "up"));
    assert_eq!(text(later.await.unwrap()).await, "up");
}

#[tokio::test]
async fn a_lone_response_keeps_its_role_and_its_hop_by_hop_fields() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let call = bench.call(get("/x"));
    bench.next().await.answer(ok(&[("keep-alive", "timeout=5")], "x"));
    let response = call.await.unwrap();
    assert_eq!(role(&response), Role::Leader);
    assert_eq!(response.headers()["keep-alive"], "timeout=5");
}

#[tokio::test]
async fn s17_followers_get_no_field_that_belongs_to_the_leaders_connection() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls = [bench.call(get("/x")), bench.call(get("/x"))];
    let hop = [
        ("connection", "x-hop, close"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("proxy-authenticate", "Basic"),
        ("x-request-id", "1"),
        ("traceresponse", "00-1-1-01"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("etag", "\"1\""),
    ];
    bench.next().await.answer(ok(&hop, "x"));
    for call in calls {
        let response = call.await.unwrap();
        let names: Vec<_> = response.headers().keys().map(|name| name.as_str().to_owned()).collect();
        match role(&response) {
            Role::Follower => assert_eq!(names, ["etag"]),
            _ => assert_eq!(names.len(), hop.len()),
        }
    }
}
