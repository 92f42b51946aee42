//! Callers that hang up, and services that never answer.

use std::{future::poll_fn, mem::replace, task::Poll, time::Duration};

use http_body_util::BodyExt;
use tokio::{runtime::Handle, task::yield_now};
use tower::Service;
use tower_singleflight::{HttpSingleflightLayer, Limits, OnAbandon, Reason, Role, http::HttpGroup};

use crate::origin::{OriginBody, bench, bench_in, get, get_with, ok, request, role, text};

#[tokio::test]
async fn t32_d2_followers_outlive_a_leader_that_hangs_up() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let leader = bench.call(get("/x"));
    let followers: Vec<_> = (0..5).map(|_| bench.call(get("/x"))).collect();
    let held = bench.next().await;
    drop(leader);
    bench.settle().await;
    assert!(!held.is_dropped());
    held.answer(ok(&[], "rows"));
    for follower in followers {
        assert_eq!(text(follower.await.unwrap()).await, "rows");
    }
    assert_eq!(bench.count().await, 1);
}

/// It may wait in a `select!` whose other arm is being worked on.
#[tokio::test]
async fn followers_wait_for_no_leader_that_is_not_polled() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let leader = bench.service.call(get("/x"));
    let follower = bench.call(get("/x"));
    bench.next().await.answer(ok(&[], "rows"));
    assert_eq!(text(follower.await.unwrap()).await, "rows");
    assert_eq!(text(leader.await.unwrap()).await, "rows");
    assert_eq!(bench.count().await, 1);
}

#[tokio::test]
async fn t33_a_leader_that_drops_its_body_leaves_the_others_theirs() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let leader = bench.call(get("/x"));
    let follower = bench.call(get("/x"));
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    let (leader, follower) = (leader.await.unwrap(), follower.await.unwrap());
    frames.data("one ");
    let mut leader = leader.into_body();
    assert_eq!(leader.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
    drop(leader);
    frames.data("two");
    drop(frames);
    assert_eq!(text(follower).await, "one two");
}

#[tokio::test]
async fn t34_when_all_have_left_the_call_is_dropped() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls: Vec<_> = (0..3).map(|_| bench.call(get("/x"))).collect();
    let held = bench.next().await;
    drop(calls);
    bench.settle().await;
    assert!(held.is_dropped());
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn when_all_have_dropped_their_bodies_the_body_is_dropped() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let calls = [bench.call(get("/x")), bench.call(get("/x")), bench.call(get("/x"))];
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    let [first, second, third] = calls;
    let first = first.await.unwrap();
    let second = second.await.unwrap();
    // The third has not picked its response up, and counts as a reader.
    drop((first, second));
    bench.settle().await;
    assert!(!frames.is_dropped());
    drop(third);
    bench.settle().await;
    assert!(frames.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn t37_a_follower_leaves_at_its_limit_and_newcomers_start_anew() {
    let limits = Limits::new().max_wait(Duration::from_secs(1)).join_window(Duration::from_secs(5));
    let mut bench = bench_in(HttpSingleflightLayer::new(), HttpGroup::with_limits(limits));
    let leader = bench.call(get("/x"));
    let follower = tokio::spawn(bench.call(get("/x")).into_inner());
    let stuck = bench.next().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    bench.next().await.answer(ok(&[], "own"));
    let response = follower.await.unwrap().unwrap();
    assert_eq!(role(&response), Role::Alone(Reason::WaitedTooLong));

    tokio::time::advance(Duration::from_secs(5)).await;
    let newcomer = bench.call(get("/x"));
    let second = bench.next().await;
    stuck.answer(ok(&[], "old"));
    assert_eq!(text(leader.await.unwrap()).await, "old");
    assert_eq!(bench.callers(get("/x")), 1);
    second.answer(ok(&[], "new"));
    assert_eq!(text(newcomer.await.unwrap()).await, "new");
    assert!(bench.group.is_empty());
}

/// Writes to a path while reads of it and of another one are under way, and returns whether the other one could still be
/// joined.
async fn write_beside_reads() -> bool {
    let mut bench = bench(HttpSingleflightLayer::new());
    let before = bench.call(get("/x"));
    let other = bench.call(get("/y"));
    let (reading, elsewhere) = (bench.next().await, bench.next().await);
    let write = bench.call(request("PUT", "/x", &[]));
    // Nothing is known to have changed yet.
    let during = bench.call(get("/x"));
    let writing = bench.next().await;
    assert_eq!(bench.count().await, 3);
    writing.answer(ok(&[], "written"));
    write.await.unwrap();
    let after = bench.call(get("/x"));
    let joined = bench.call(get("/y"));
    let apart = bench.count().await == 4;
    reading.answer(ok(&[], "old"));
    bench.next().await.answer(ok(&[], "new"));
    elsewhere.answer(ok(&[], "y"));
    if !apart {
        bench.next().await.answer(ok(&[], "y"));
    }
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(during.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert_eq!(text(other.await.unwrap()).await, "y");
    assert_eq!(role(&joined.await.unwrap()) == Role::Follower, apart);
    assert!(bench.group.is_empty());
    apart
}

#[tokio::test]
async fn s21_the_answer_to_an_unsafe_request_ends_the_join_window_of_its_uri() {
    // Two paths lie in one place by chance, once in some hundred groups.
    assert!(write_beside_reads().await || write_beside_reads().await);
}

#[tokio::test]
async fn s21_a_fence_ends_with_the_answer_and_not_with_its_future() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let mut write = bench.call(request("PUT", "/x", &[]));
    bench.next().await.answer(ok(&[], "written"));
    let during = bench.call(get("/x"));
    assert!(write.poll().is_ready());
    let after = bench.call(get("/x"));
    assert_eq!(bench.count().await, 3);
    drop(write);
    let joined = bench.call(get("/x"));
    assert_eq!(bench.count().await, 3);
    drop((during, after, joined));
}

/// Lets the tasks run that have been woken, and none of those that they wake.
async fn pass() {
    let mut passed = false;
    poll_fn(|cx| {
        if replace(&mut passed, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// It waits for its turn in a task of its own, since somebody has to keep the time; what then runs alone needs no other.
#[tokio::test]
async fn s13_a_reload_that_is_released_and_hangs_up_leaves_no_task_behind() {
    tokio::spawn(hangs_up_as_it_is_released()).await.unwrap();
    for _ in 0..16 {
        yield_now().await;
    }
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

async fn hangs_up_as_it_is_released() {
    let group = HttpGroup::with_limits(Limits::new().on_abandon(OnAbandon::Finish));
    let mut bench = bench_in(HttpSingleflightLayer::new(), group);
    let mut leader = bench.call(get("/x"));
    let first = bench.next().await;
    let mut reload = bench.call(get_with("/x", &[("cache-control", "no-cache")]));
    assert_eq!(bench.count().await, 1, "it waits for the next run");
    first.answer(ok(&[("cache-control", "private")], "one"));
    while !leader.is_woken() {
        pass().await;
    }
    assert!(leader.poll().is_ready(), "the task of the first run has ended it");
    assert!(reload.poll().is_pending());
    drop(reload);
    bench.settle().await;
    // What has begun is finished.
    while let Ok(second) = bench.held.try_recv() {
        second.answer(ok(&[], "two"));
    }
    bench.settle().await;
    assert!(bench.group.is_empty());
}
