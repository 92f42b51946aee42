//! `Vary`: with whom an answer may be shared.

use tower_singleflight::{HttpSingleflightLayer, Reason, Role};

use crate::origin::{bench, get_with, ok, role, text};

/// Answers the request with its own `referer`, varying by it.
macro_rules! answer {
    ($bench:ident, $vary:expr) => {{
        let held = $bench.next().await;
        let plan = held.request.headers().get("referer").map_or("none", |plan| plan.to_str().unwrap());
        let body = match plan {
            "a" => "a",
            "b" => "b",
            _ => "none",
        };
        held.answer(ok(&[("vary", $vary)], body));
    }};
}

#[tokio::test]
async fn t25_s09_followers_that_differ_in_a_varying_field_regroup_by_their_own_values() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let plans = ["a", "a", "b", "b", "", "a"];
    let mut tasks = Vec::new();
    for plan in plans {
        let headers = [("referer", plan)];
        let call = bench.call(get_with("/x", if plan.is_empty() { &[] } else { &headers }));
        tasks.push(tokio::spawn(async { text(call.await.unwrap()).await }));
    }
    assert_eq!(bench.count().await, 1);
    answer!(bench, "Referer");
    assert_eq!(bench.count().await, 3);
    answer!(bench, "Referer");
    answer!(bench, "Referer");
    let mut texts = Vec::new();
    for task in tasks {
        texts.push(task.await.unwrap());
    }
    assert_eq!(texts, ["a", "a", "b", "b", "none", "a"]);
    assert_eq!(bench.count().await, 3);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn a_field_that_varies_is_compared_line_by_line() {
    for (first, second, together) in [
        (&[("referer", "a")][..], &[("referer", "a")][..], true),
        (&[("referer", "a"), ("referer", "b")], &[("referer", "a"), ("referer", "b")], true),
        (&[("referer", "a"), ("referer", "b")], &[("referer", "b"), ("referer", "a")], false),
        (&[("referer", "a"), ("referer", "b")], &[("referer", "a, b")], false),
        (&[("referer", "")], &[], false),
        (&[("referer", "a")], &[("referer", "A")], false),
    ] {
        let mut bench = bench(HttpSingleflightLayer::new());
        let calls = [bench.call(get_with("/x", first)), bench.call(get_with("/x", second))];
        let tasks = calls.map(|call| tokio::spawn(async { text(call.await.unwrap()).await }));
        answer!(bench, "referer");
        let count = bench.count().await;
        assert_eq!(count, if together { 1 } else { 2 }, "{first:?} {second:?}");
        if !together {
            answer!(bench, "referer");
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_answer_that_varies_by_what_is_in_the_key_is_everybodys() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls = [bench.call(get_with("/x", &[("accept", "a")])), bench.call(get_with("/x", &[("accept", "a")]))];
    bench.next().await.answer(ok(&[("vary", "Accept, accept-encoding")], "x"));
    for call in calls {
        assert_eq!(text(call.await.unwrap()).await, "x");
    }
    assert_eq!(bench.count().await, 1);
}

#[tokio::test]
async fn s20_an_origin_that_is_allowed_by_name_is_allowed_to_its_like() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let from = |origin| get_with("/x", &[("origin", origin)]);
    let calls = [bench.call(from("https://a")), bench.call(from("https://b")), bench.call(from("https://a"))];
    assert_eq!(bench.count().await, 2);
    for _ in 0..2 {
        let held = bench.next().await;
        let origin = held.request.headers()["origin"].to_str().unwrap().to_owned();
        held.answer(ok(&[("access-control-allow-origin", &origin)], "x"));
    }
    for (call, origin) in calls.into_iter().zip(["https://a", "https://b", "https://a"]) {
        assert_eq!(call.await.unwrap().headers()["access-control-allow-origin"], origin);
    }
}

#[tokio::test]
async fn d3_who_disagrees_with_its_like_too_goes_alone() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let asked = [("a", "1"), ("b", "1"), ("b", "2"), ("b", "3")];
    let calls = asked.map(|(plan, step)| bench.call(get_with("/x", &[("referer", plan), ("user-agent", step)])));
    let tasks = calls.map(|call| tokio::spawn(async { role(&call.await.unwrap()) }));
    bench.next().await.answer(ok(&[("vary", "referer")], "a"));
    bench.next().await.answer(ok(&[("vary", "user-agent")], "b1"));
    // At once, and not in turn.
    assert_eq!(bench.count().await, 4);
    bench.next().await.answer(ok(&[], "b2"));
    bench.next().await.answer(ok(&[], "b3"));
    let alone = Role::Alone(Reason::NotShareable);
    for (task, expected) in tasks.into_iter().zip([Role::Leader, Role::Leader, alone, alone]) {
        assert_eq!(task.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn d3_variants_that_are_known_to_be_unshareable_do_not_wait_for_their_like() {
    let mut bench = bench(HttpSingleflightLayer::new());
    for known in [false, true] {
        let calls = ["a", "b", "b", "b"].map(|plan| bench.call(get_with("/x", &[("referer", plan)])));
        let tasks = calls.map(|call| tokio::spawn(async { text(call.await.unwrap()).await }));
        let before = bench.count().await;
        bench.next().await.answer(ok(&[("vary", "referer")], "a"));
        assert_eq!(bench.count().await - before, if known { 3 } else { 1 });
        for _ in 0..3 {
            bench.next().await.answer(ok(&[("cache-control", "private")], "b"));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}
