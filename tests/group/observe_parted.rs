//! What an observer is told of flights that part from their key, of callers for whom there is no flight, and of panics that
//! reach nobody.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::{runtime::Builder, time::advance};
use tokio_test::{assert_pending, task};
use tower_singleflight::{Limits, OnAbandon};

use crate::recorder::recorded;
use crate::work::{Work, never, settle};

const MS: Duration = Duration::from_millis(1);

/// Forgetting is no event: the flight goes on, and lands for its callers.
#[tokio::test(start_paused = true)]
async fn a_flight_that_is_forgotten_while_it_is_under_way() {
    let (group, recorder) = recorded(Limits::new());
    let (forgotten, successor) = (Work::default(), Work::default());
    let mut leader = task::spawn(group.call("key", forgotten.run(1)));
    assert_pending!(leader.poll());
    recorder.assert_told(&["led 0"]);
    advance(3 * MS).await;
    assert!(group.forget(&"key"));
    recorder.assert_told(&[]);

    // The next caller leads a flight of its own, and those after it join that one.
    let next = group.call("key", successor.run(2));
    let follower = group.call("key", never);
    recorder.assert_told(&["led 1", "joined 1 at 0 ms, 2 callers", "moved 1"]);
    advance(2 * MS).await;
    forgotten.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    recorder.assert_told(&["landed 0 after 5 ms, 1 callers, alone", "answered Leader after 5 ms, 1 callers"]);
    successor.gate.notify_one();
    assert_eq!((next.await.value, follower.await.value), (2, 2));
    recorder.assert_told(&[
        "landed 1 after 2 ms, 2 callers, shared",
        "answered Leader after 2 ms, 2 callers",
        "answered Follower after 2 ms, 2 callers",
    ]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shared_flight_that_is_forgotten_and_then_left() {
    let (group, recorder) = recorded::<_, u32>(Limits::new());
    let work = Work::default();
    let (leader, follower) = (group.call("key", work.run(1)), group.call("key", never));
    assert!(group.forget(&"key"));
    drop((leader, follower));
    recorder.assert_told(&[
        "led 0",
        "joined 0 at 0 ms, 2 callers",
        "moved 0",
        "left after 0 ms",
        "ended 0 after 0 ms: abandoned",
        "left after 0 ms",
    ]);
    assert!(group.is_empty());
}

/// Nor is it an event that a flight takes no joiners any more.
#[tokio::test(start_paused = true)]
async fn a_flight_past_its_join_window_and_the_one_that_replaces_it() {
    let (group, recorder) = recorded(Limits::new().join_window(10 * MS));
    let (old, new) = (Work::default(), Work::default());
    let leader = group.call("key", old.run(1));
    advance(10 * MS).await;
    let follower = group.call("key", never);
    recorder.assert_told(&["led 0", "joined 0 at 10 ms, 2 callers", "moved 0"]);
    advance(MS).await;
    let late = group.call("key", new.run(2));
    recorder.assert_told(&["led 1"]);
    new.gate.notify_one();
    assert_eq!(late.await.value, 2);
    recorder.assert_told(&["landed 1 after 0 ms, 1 callers, alone", "answered Leader after 0 ms, 1 callers"]);
    old.gate.notify_one();
    assert_eq!((leader.await.value, follower.await.value), (1, 1));
    recorder.assert_told(&[
        "landed 0 after 11 ms, 2 callers, shared",
        "answered Leader after 11 ms, 2 callers",
        "answered Follower after 1 ms, 2 callers",
    ]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_a_key_for_which_there_is_no_room_for_a_flight() {
    let (group, recorder) = recorded(Limits::new().max_flights(1));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    assert_eq!(group.call("other", || async { 2 }).await.value, 2);
    drop(group.call("other", never));
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    recorder.assert_told(&[
        "led 0",
        "alone: Full",
        "answered Alone(Full) after 0 ms, 1 callers",
        "alone: Full",
        "left after 0 ms",
        "landed 0 after 0 ms, 1 callers, alone",
        "answered Leader after 0 ms, 1 callers",
    ]);
    assert!(group.is_empty());
}

#[test]
fn callers_without_a_runtime_and_a_follower_without_timers() {
    let (group, recorder) = recorded(Limits::new().max_wait(Duration::from_secs(1)));
    let work = Work::default();
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    assert_eq!(group.call("key", || async { 2 }).now_or_never().expect("it runs its own work").value, 2);
    recorder.assert_told_untimed(&["led 0", "alone: NoRuntime", "answered Alone(NoRuntime)"]);

    let timeless = Builder::new_current_thread().build().unwrap();
    assert_eq!(timeless.block_on(async { group.call("key", || async { 3 }).await }).value, 3);
    recorder.assert_told_untimed(&[
        "joined 0, 2 callers",
        "moved 0",
        "released: NoRuntime",
        "answered Alone(NoRuntime)",
    ]);
    work.gate.notify_one();
    assert_eq!(timeless.block_on(leader).value, 1);
    recorder.assert_told_untimed(&["landed 0", "answered Leader"]);
    assert!(group.is_empty());
}

/// The flight's end is told once, and no call's: all callers had left.
#[tokio::test(start_paused = true)]
async fn a_panic_with_nobody_left_to_get_it() {
    let (group, recorder) = recorded::<_, u32>(Limits::new());
    drop(group.spawn("key", || async { panic!("of work that goes on") }));
    settle().await;
    recorder.assert_told(&["led 0", "left after 0 ms", "ended 0 after 0 ms: panicked"]);
    assert!(group.is_empty());

    let (group, recorder) = recorded::<_, u32>(Limits::new().on_abandon(OnAbandon::Finish));
    let work = Work::default();
    let run = work.run(1);
    let mut leader = task::spawn(group.call("key", move || async move {
        run().await;
        panic!("of work that goes on")
    }));
    assert_pending!(leader.poll());
    let follower = group.call("key", never);
    drop((leader, follower));
    settle().await;
    advance(4 * MS).await;
    work.gate.notify_one();
    settle().await;
    recorder.assert_told(&[
        "led 0",
        "joined 0 at 0 ms, 2 callers",
        "moved 0",
        "left after 0 ms",
        "left after 0 ms",
        "ended 0 after 4 ms: panicked",
    ]);
    assert!(group.is_empty());
}
