//! `OnAbandon`: how long work runs on that nobody waits for. Time is paused.

use std::{future::poll_fn, mem::take, sync::Arc, task::Poll, time::Duration};

use futures_util::FutureExt;
use tokio::{runtime::Builder, time::advance};
use tokio_test::{assert_pending, task};
use tower_singleflight::{Group, Limits, OnAbandon};

use crate::work::{Kept, Work, never, settle};

fn group(grace: Duration) -> Group<&'static str, u32> {
    Group::with_limits(Limits::new().on_abandon(OnAbandon::CancelAfter(grace)))
}

const SECOND: Duration = Duration::from_secs(1);

/// The task may not see the caller come and go: it finds another deadline than its timer has.
#[tokio::test(start_paused = true)]
async fn each_leaving_of_the_last_caller_starts_the_grace_anew() {
    let (group, work) = (group(SECOND), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    drop(leader);
    settle().await;
    advance(SECOND / 2).await;
    drop(group.call("key", never));
    settle().await;
    advance(SECOND * 3 / 4).await;
    settle().await;
    assert_eq!((work.alive(), group.in_flight()), (1, 1), "the first grace is over, the second is not");
    advance(SECOND / 2).await;
    settle().await;
    assert_eq!((work.alive(), work.starts()), (0, 1));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_within_its_grace_lands_for_nobody() {
    let (group, work) = (group(SECOND), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    drop(leader);
    settle().await;
    work.gate.notify_one();
    settle().await;
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_grace_beyond_all_time_lets_the_work_end() {
    let (group, work) = (group(Duration::MAX), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    drop(leader);
    advance(SECOND * 1_000_000).await;
    settle().await;
    assert_eq!(work.alive(), 1);
    work.gate.notify_one();
    settle().await;
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
}

/// Nothing would tell when the grace is over, and a limit adds no failure: the flight's task goes on.
#[test]
fn a_grace_on_a_runtime_without_timers_is_none() {
    let (group, work) = (group(SECOND), Work::default());
    let timeless = Builder::new_current_thread().build().expect("a runtime starts");
    timeless.block_on(async {
        let mut leader = task::spawn(group.call("key", work.run(1)));
        assert_pending!(leader.poll());
        drop(leader);
        settle().await;
        assert_eq!((work.alive(), work.starts()), (0, 1));
        assert!(group.is_empty());
        assert_eq!(group.call("key", || async { 2 }).await.value, 2);
    });
}

/// The grace of work whose callers leave while it is being polled.
#[tokio::test(start_paused = true)]
async fn callers_who_leave_in_mid_poll_start_the_grace() {
    const SECOND: Duration = Duration::from_secs(1);
    let group = Group::with_limits(Limits::new().on_abandon(OnAbandon::CancelAfter(SECOND)));
    let (kept, alive) = (Kept::default(), Arc::new(()));
    let (leaving, living) = (Arc::clone(&kept), Arc::clone(&alive));
    let leader = group.call("key", move || {
        poll_fn(move |_| {
            let _living = &living;
            let leaving = take(&mut *leaving.lock().unwrap());
            drop(leaving);
            Poll::Pending
        })
    });
    let follower = group.call("key", never);
    kept.lock().unwrap().extend([leader.boxed(), follower.boxed()]);
    settle().await;
    assert_eq!((group.callers("key"), group.in_flight(), Arc::strong_count(&alive)), (0, 1, 2));
    advance(SECOND * 2).await;
    settle().await;
    assert_eq!(Arc::strong_count(&alive), 1, "the grace is over");
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn abandoned_work_can_be_joined_again_while_its_grace_lasts() {
    let grace = std::time::Duration::from_secs(1);
    let group = Group::with_limits(Limits::new().on_abandon(OnAbandon::CancelAfter(grace)));
    let work = Work::default();
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    drop(leader);
    settle().await;
    assert_eq!((work.alive(), group.callers("key"), group.in_flight()), (1, 0, 1));
    tokio::time::advance(grace / 2).await;
    let back = group.call("key", never);
    tokio::time::advance(grace).await;
    settle().await;
    assert_eq!(work.alive(), 1, "somebody waits again");
    drop(back);
    settle().await;
    tokio::time::advance(grace * 2).await;
    settle().await;
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
}

#[tokio::test]
async fn work_that_was_never_polled_is_dropped_even_if_it_was_to_be_finished() {
    for on_abandon in [OnAbandon::Finish, OnAbandon::CancelAfter(Duration::from_secs(1))] {
        let (group, work) = (Group::with_limits(Limits::new().on_abandon(on_abandon)), Work::default());
        drop(group.call("key", work.run(7)));
        settle().await;
        assert_eq!(work.starts(), 0);
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn abandoned_work_that_is_to_be_finished_can_be_joined() {
    let (group, work) = (Group::with_limits(Limits::new().on_abandon(OnAbandon::Finish)), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(7)));
    assert_pending!(leader.poll());
    drop(leader);
    assert_eq!((group.callers("key"), group.in_flight()), (0, 1));
    let follower = group.call("key", never);
    settle().await;
    work.gate.notify_one();
    assert_eq!(follower.await.value, 7);
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}
