//! One flight and its callers, polled by hand: who may leave, who is told, what is left behind.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::{runtime::Runtime, task::yield_now};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, OnAbandon, Reason, Role};

use crate::work::{Work, never, settle};

#[tokio::test]
async fn a_lone_caller_leads_and_shares_with_nobody() {
    let group = Group::new();
    let outcome = group.call("key", || async { 7 }).await;
    assert_eq!((outcome.value, outcome.role, outcome.callers), (7, Role::Leader, 1));
    assert!(!outcome.shared());
    assert!(group.is_empty());
}

/// Invariant 2.
#[tokio::test]
async fn a_caller_is_registered_before_it_is_polled() {
    let group = Group::new();
    let (mut leading, mut following) = (group.call("key", || async { 1 }), group.call("key", never));
    assert!(leading.is_leader() && !following.is_leader());
    assert_eq!(group.callers("key"), 2);
    let (leader, follower) = tokio::join!(&mut leading, &mut following);
    assert!(leading.is_leader() && !following.is_leader(), "also when they have completed");
    assert_eq!((leader.value, leader.callers), (1, 2));
    assert_eq!((follower.value, follower.role, follower.callers), (1, Role::Follower, 2));
    assert!(group.is_empty());
}

/// Invariant 7.
#[tokio::test]
async fn a_leader_that_is_never_polled_holds_nobody_up() {
    let group = Group::new();
    let leader = group.call("key", || async { 1 });
    assert_eq!(group.call("key", never).await.value, 1);
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_follower_outlives_its_leader() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let mut follower = task::spawn(group.call("key", work.run(2)));
    drop(leader);
    assert_pending!(follower.poll());
    assert_eq!(group.callers("key"), 1);
    settle().await;
    work.gate.notify_one();
    settle().await;
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Follower, 1));
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}

/// Invariants 5 and 12.
#[tokio::test]
async fn the_last_caller_to_leave_drops_the_work() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let follower = group.call("key", work.run(2));
    settle().await;
    drop(leader);
    assert_eq!(work.alive(), 1);
    drop(follower);
    assert_eq!((work.alive(), group.callers("key")), (0, 0));
    assert!(group.is_empty());
    work.gate.notify_one();
    assert_eq!(group.call("key", work.run(3)).await.value, 3);
    assert!(group.is_empty());
}

/// Invariant 9.
#[tokio::test]
async fn a_parked_caller_is_woken_once_however_often_the_work_is_woken() {
    let group = Group::new();
    let mut leader = task::spawn(group.call("key", || async {
        for _ in 0..100 {
            yield_now().await;
        }
        1
    }));
    assert_pending!(leader.poll());
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(leader.poll());
    assert_pending!(follower.poll());
    while !follower.is_woken() {
        yield_now().await;
    }
    assert!(leader.is_woken(), "a leader that was polled in solo is woken at the landing");
    assert_eq!(assert_ready!(follower.poll()).value, 1);
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    assert!(group.is_empty());
}

/// Invariant 8; `TestPanicDo` of Go's x/sync.
#[tokio::test]
async fn a_panic_of_the_work_reaches_every_caller_and_frees_the_key() {
    let group: Group<&str, u32> = Group::new();
    let work = || async { std::panic::panic_any(404_u32) };
    let (leader, follower) = (group.call("key", work), group.call("key", work));
    let (leader, follower) =
        tokio::join!(AssertUnwindSafe(leader).catch_unwind(), AssertUnwindSafe(follower).catch_unwind());
    assert_eq!(leader.unwrap_err().downcast_ref(), Some(&404_u32), "the leader gets the payload itself");
    assert!(follower.unwrap_err().is::<&'static str>(), "a follower gets a text");
    assert!(group.is_empty());
    assert_eq!(group.call("key", || async { 1 }).await.value, 1);
}

#[tokio::test]
async fn a_panic_before_the_future_exists_is_the_works_too() {
    let group: Group<&str, u32> = Group::new();
    let (leader, follower) = (group.call("key", never), group.call("key", never));
    let (leader, follower) =
        tokio::join!(AssertUnwindSafe(leader).catch_unwind(), AssertUnwindSafe(follower).catch_unwind());
    for caught in [leader, follower] {
        let text = *caught.unwrap_err().downcast::<&'static str>().expect("a text stays a text");
        assert_eq!(text, "this caller's work is not to run");
    }
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_call_that_is_polled_after_its_panic_says_so() {
    let group: Group<&str, u32> = Group::with_limits(Limits::new().max_flights(0));
    let mut alone = group.call("key", never);
    for expected in ["this caller's work is not to run", "a call was polled after it had panicked"] {
        let caught = AssertUnwindSafe(&mut alone).catch_unwind().await;
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&expected));
    }
}

/// Invariant 4; `TestForget` of Go's x/sync.
#[tokio::test]
async fn the_end_of_a_forgotten_flight_leaves_its_successor_alone() {
    let (group, first, second) = (Group::new(), Work::default(), Work::default());
    let mut one = task::spawn(group.call("key", first.run(1)));
    assert_pending!(one.poll());
    assert!(group.forget("key"));
    assert!(!group.forget("key"), "there is nothing to forget any more");
    let mut two = task::spawn(group.call("key", second.run(2)));
    assert_pending!(two.poll());
    first.gate.notify_one();
    assert_eq!(assert_ready!(one.poll()).value, 1);
    let third = group.call("key", never);
    second.gate.notify_one();
    assert_eq!(third.await.value, 2);
    assert_eq!(two.await.value, 2);
    assert!(group.is_empty());
}

/// `TestForgetUnshared` of Go's internal package, on live callers.
#[tokio::test]
async fn a_shared_flight_is_not_forgotten_by_forget_unshared() {
    let (group, work) = (Group::new(), Work::default());
    assert!(group.forget_unshared("key"), "absent");
    let leader = group.call("key", work.run(1));
    let follower = group.call("key", work.run(2));
    assert!(!group.forget_unshared("key"), "two live callers");
    drop(follower);
    assert!(group.forget_unshared("key"), "one live caller");
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

/// Go's `DoChan`.
#[tokio::test]
async fn spawned_work_runs_to_its_end_without_callers() {
    let (group, work) = (Group::new(), Work::default());
    drop(group.spawn("key", work.run(1)));
    settle().await;
    assert_eq!((work.alive(), group.callers("key"), group.in_flight()), (1, 0, 1));
    work.gate.notify_one();
    settle().await;
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}

#[tokio::test]
async fn joining_by_spawn_makes_a_flight_run_to_its_end() {
    let (group, work) = (Group::new(), Work::default());
    let leader = group.call("key", work.run(1));
    drop(group.spawn("key", never));
    drop(leader);
    settle().await;
    assert_eq!(work.alive(), 1);
    work.gate.notify_one();
    settle().await;
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
}

#[tokio::test]
async fn work_that_calls_its_own_key_runs_that_call_alone() {
    let group: Group<&str, u32> = Group::new();
    let (b, a) = (group.clone(), group.clone());
    let outcome = group
        .call("a", move || async move {
            let inner = b.call("b", move || async move {
                let inner = a.call("a", || async { 3 }).await;
                assert_eq!(inner.role, Role::Alone(Reason::Reentrant));
                inner.value
            });
            inner.await.value
        })
        .await;
    assert_eq!(outcome.value, 3);
    assert!(group.is_empty());
}

#[test]
fn outside_a_runtime_a_second_caller_goes_alone() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let outcome = group.call("key", || async { 2 }).now_or_never().expect("it runs its own work");
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::NoRuntime)));
    work.gate.notify_one();
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    assert!(group.is_empty());
}

/// Invariant 8.
#[test]
fn when_the_runtime_dies_followers_go_alone_and_the_leader_takes_its_work_back() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let runtime = Runtime::new().expect("a runtime starts");
    let mut follower = {
        let _context = runtime.enter();
        task::spawn(group.call("key", || async { 2 }))
    };
    assert_pending!(follower.poll());
    drop(runtime);
    assert!(group.is_empty());
    assert!(follower.is_woken());
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::Lost)));
    assert_pending!(leader.poll());
    work.gate.notify_one();
    let outcome = assert_ready!(leader.poll());
    assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Leader, 1));
    assert_eq!((work.starts(), work.alive()), (1, 0));
}

#[tokio::test]
async fn callers_above_a_limit_go_alone() {
    let group = Group::with_limits(Limits::new().max_followers(1).max_flights(1));
    let leader = group.call("key", || async { 1 });
    let follower = group.call("key", never);
    assert_eq!(group.call("key", || async { 2 }).await.role, Role::Alone(Reason::Full));
    assert_eq!(group.call("other", || async { 3 }).await.role, Role::Alone(Reason::Full));
    assert_eq!(follower.await.value, 1);
    assert_eq!(leader.await.value, 1);
    assert_eq!(group.call("other", || async { 3 }).await.role, Role::Leader);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_has_waited_too_long_goes_alone() {
    let limits = Limits::new().max_wait(std::time::Duration::from_secs(2));
    let (group, work) = (Group::with_limits(limits), Work::default());
    let leader = group.call("key", work.run(1));
    let outcome = group.call("key", || async { 2 }).await;
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::WaitedTooLong)));
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_past_its_join_window_makes_room_for_a_new_one() {
    let limits = Limits::new().join_window(std::time::Duration::from_secs(1));
    let (group, work) = (Group::with_limits(limits), Work::default());
    let mut old = task::spawn(group.call("key", work.run(1)));
    assert_pending!(old.poll());
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    assert_eq!(group.call("key", || async { 2 }).await.role, Role::Leader);
    work.gate.notify_one();
    assert_eq!(assert_ready!(old.poll()).value, 1);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn with_a_join_window_of_zero_only_callers_of_the_same_instant_join() {
    let limits = Limits::new().join_window(std::time::Duration::ZERO);
    let (group, work) = (Group::with_limits(limits), Work::default());
    let leader = group.call("key", work.run(1));
    let follower = group.call("key", never);
    assert_eq!(group.callers("key"), 2);
    tokio::time::advance(std::time::Duration::from_nanos(1)).await;
    assert_eq!(group.call("key", || async { 2 }).await.role, Role::Leader);
    work.gate.notify_one();
    assert_eq!((leader.await.value, follower.await.value), (1, 1));
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
