//! `OnAbandon::CancelAfter`: how long work runs on that nobody waits for. Time is paused.

use std::time::Duration;

use tokio::{runtime::Builder, time::advance};
use tokio_test::{assert_pending, task};
use tower_singleflight::{Group, Limits, OnAbandon};

use crate::work::{Work, never, settle};

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
