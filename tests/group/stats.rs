//! `Group::stats`: each call is counted once, and what became of those that followed.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
    time::advance,
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceBuilder, service_fn};
use tower_singleflight::{Group, Limits, OnAbandon, SingleflightLayer};

use crate::work::{Work, never, poll_once, settle};

#[tokio::test]
async fn a_call_is_counted_when_it_is_made_as_one_that_leads_follows_or_goes_alone() {
    let group = Group::with_limits(Limits::new().max_followers(1).max_flights(1));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    let follower = group.call("key", never);
    let alone = [group.call("key", work.run(2)), group.call("other", work.run(3))];
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone), (1, 1, 2));
    assert_eq!((stats.calls(), stats.saved()), (4, 1));
    assert_eq!((stats.in_flight, stats.callers, stats.waiting), (1, 2, 1));

    work.gate.notify_one();
    assert_eq!((leader.await.value, follower.await.value), (1, 1));
    drop(alone);
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone, stats.saved()), (1, 1, 2, 1));
    assert_eq!((stats.in_flight, stats.callers, stats.waiting), (0, 0, 0));
    assert!(group.is_empty());
}

#[tokio::test]
async fn requests_without_a_key_and_reentrant_calls_count_as_alone() {
    let layer = SingleflightLayer::new(|id: &u32| (*id != 0).then_some(*id));
    let mut service = ServiceBuilder::new().layer(layer).service(service_fn(async |id: u32| Ok::<_, String>(id)));
    assert_eq!(service.call(0).await, Ok(0));
    assert_eq!(service.call(1).await, Ok(1));
    let stats = service.group().stats();
    assert_eq!((stats.led, stats.followed, stats.alone), (1, 0, 1));

    let group: Group<u32, u32> = Group::new();
    let again = group.clone();
    assert_eq!(group.call(7, move || async move { again.call(7, || async { 1 }).await.value }).await.value, 1);
    let stats = group.stats();
    assert_eq!((stats.led, stats.alone), (1, 1));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_goes_alone_was_released_and_did_not_leave() {
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", work.run(2)));
    assert_pending!(follower.poll());
    advance(Duration::from_secs(2)).await;
    assert_pending!(follower.poll());
    drop((leader, follower));
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone), (1, 1, 0));
    assert_eq!((stats.released, stats.left, stats.saved()), (1, 0, 0));
    assert!(group.is_empty());
}

#[tokio::test]
async fn followers_of_an_outcome_that_is_not_for_them_were_released() {
    let layer = SingleflightLayer::new(|id: &u32| Some(*id)).share_if(|_| false);
    let service = service_fn(async |id: u32| {
        yield_now().await;
        Ok::<_, String>(id)
    });
    let mut service = ServiceBuilder::new().layer(layer).service(service);
    let (leader, first, second) = (service.call(7), service.call(7), service.call(7));
    assert_eq!((leader.await, first.await, second.await), (Ok(7), Ok(7), Ok(7)));
    let stats = service.group().stats();
    assert_eq!((stats.led, stats.followed, stats.released, stats.saved()), (1, 2, 2, 0));
    assert!(service.group().is_empty());
}

#[tokio::test]
async fn who_leaves_is_counted_and_so_is_the_flight_that_all_have_left() {
    let (group, work) = (Group::new(), Work::default());
    let (leader, first, second) = (group.call("key", work.run(1)), group.call("key", never), group.call("key", never));
    drop(first);
    let stats = group.stats();
    assert_eq!((stats.left, stats.abandoned, stats.callers, stats.waiting), (1, 0, 2, 1));
    drop(leader);
    drop(second);
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.left, stats.abandoned, stats.saved()), (1, 2, 2, 1, 0));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_whose_grace_is_over_was_abandoned_once() {
    let group = Group::with_limits(Limits::new().on_abandon(OnAbandon::CancelAfter(Duration::from_secs(1))));
    let work = Work::default();
    let mut leader = group.call("key", work.run(1));
    assert!(poll_once(&mut leader).await.is_none());
    drop(leader);
    settle().await;
    assert_eq!(group.stats().abandoned, 0);
    advance(Duration::from_secs(2)).await;
    settle().await;
    assert_eq!(group.stats().abandoned, 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_panic_counts_for_each_follower_that_it_is_raised_in() {
    let group: Group<&str, u32> = Group::new();
    let calls: Vec<_> = (0..3).map(|_| group.call("key", || async { panic!("no luck") })).collect();
    for call in calls {
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    }
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.panicked, stats.saved()), (1, 2, 2, 0));
    assert!(group.is_empty());
}

#[test]
fn a_lost_flight_releases_its_followers() {
    let (group, work) = (Group::new(), Work::default());
    let runtime = Builder::new_current_thread().build().expect("a runtime starts");
    let calls = runtime.block_on(async { [group.call("key", work.run(1)), group.call("key", work.run(2))] });
    drop(runtime);
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.lost, stats.released, stats.left), (1, 1, 1, 1, 0));
    drop(calls);
    assert!(group.is_empty());
}

/// Its work goes back to its leader, which leaves it to another task, on a runtime that is dead, too.
#[test]
fn a_flight_that_loses_two_tasks_is_lost_once() {
    let group: Group<&str, u32> = Group::new();
    let runtime = Builder::new_current_thread().build().expect("a runtime starts");
    let handle = runtime.handle().clone();
    drop(runtime);
    let _context = handle.enter();
    let mut leader = task::spawn(group.spawn("key", std::future::pending::<u32>));
    assert_pending!(leader.poll());
    assert_eq!(group.stats().lost, 1);
    drop(leader);
    let stats = group.stats();
    assert_eq!((stats.led, stats.lost, stats.callers), (1, 1, 0));
    assert!(group.is_empty());
}

/// Eight tasks on two threads, with panics and leavers mixed in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sum_holds_in_a_melee_and_the_gauges_return_to_nothing() {
    const TASKS: u32 = 8;
    const CALLS: u32 = 2_000;
    let group: Group<u32, u32> = Group::with_limits(Limits::new().max_followers(4));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let group = group.clone();
        tasks.spawn(async move {
            for number in 0..CALLS {
                let kind = (task + number) % 17;
                let mut call = group.call(number % 3, move || async move {
                    yield_now().await;
                    assert!(kind != 0, "a panic on purpose");
                    number
                });
                if kind == 1 {
                    let _ = AssertUnwindSafe(poll_once(&mut call)).catch_unwind().await;
                } else {
                    let _ = AssertUnwindSafe(call).catch_unwind().await;
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("panics are caught");
    }
    let stats = group.stats();
    assert_eq!(stats.calls(), u64::from(TASKS * CALLS));
    assert!(stats.released + stats.left + stats.panicked <= stats.followed);
    assert_eq!((stats.in_flight, stats.callers, stats.waiting), (0, 0, 0));
    assert!(group.is_empty());
}
