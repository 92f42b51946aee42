//! `Group::try_call`: to skip while a flight is under way.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use tokio::{task::JoinSet, time::advance};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, OnAbandon, Reason, Role};

use crate::{
    recorder::Recorder,
    work::{Work, never, settle},
};

#[test]
fn it_leads_where_nothing_is_under_way_and_again_after_the_landing() {
    let (group, work) = (Group::new(), Work::default());
    for value in [1, 2] {
        let mut call = task::spawn(group.try_call("key", work.run(value)).expect("nothing is under way"));
        assert!(call.is_leader());
        assert_eq!(group.callers("key"), 1);
        assert_pending!(call.poll());
        work.gate.notify_one();
        let outcome = assert_ready!(call.poll());
        assert_eq!((outcome.value, outcome.role, outcome.callers), (value, Role::Leader, 1));
    }
    assert_eq!(work.starts(), 2);
    assert!(group.is_empty());
}

#[tokio::test]
async fn it_is_none_beside_a_flight_of_one_caller_and_of_more_and_is_no_caller_of_it() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert!(group.try_call("key", never).is_none(), "the work has not begun");
    assert_pending!(leader.poll());
    assert!(group.try_call("key", never).is_none(), "its leader polls it");
    let follower = group.call("key", never);
    assert!(group.try_call("key", never).is_none(), "a task polls it");
    assert_eq!(group.callers("key"), 2);
    assert!(group.try_call("other", || async { 3 }).is_some());
    work.gate.notify_one();
    assert_eq!((leader.await.callers, follower.await.callers), (2, 2));
    assert_eq!(group.try_call("key", || async { 2 }).unwrap().await.value, 2);
    assert!(group.is_empty());
}

#[tokio::test]
async fn others_join_what_it_leads() {
    let (group, work) = (Group::new(), Work::default());
    let leader = group.try_call("key", work.run(1)).unwrap();
    let follower = group.call("key", never);
    work.gate.notify_one();
    assert_eq!((leader.await.role, follower.await.role), (Role::Leader, Role::Follower));
    assert!(group.is_empty());
}

#[tokio::test]
async fn it_is_none_beside_a_flight_that_goes_on_without_callers() {
    let (group, work) = (Group::with_limits(Limits::new().on_abandon(OnAbandon::Finish)), Work::default());
    drop(group.spawn("spawned", work.run(1)));
    let mut left = task::spawn(group.call("left", work.run(2)));
    assert_pending!(left.poll());
    drop(left);
    for key in ["spawned", "left"] {
        assert_eq!(group.callers(key), 0);
        assert!(group.try_call(key, never).is_none(), "{key}");
    }
    settle().await;
    work.gate.notify_waiters();
    settle().await;
    assert!(group.is_empty());
    assert!(group.try_call("left", || async { 3 }).is_some());
}

/// Invariant 5: the abandoned work is being dropped still.
#[test]
fn past_work_that_is_being_dropped_it_leads_and_what_it_leads_is_under_way_before_it_begins() {
    struct SlowDrop(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>);
    impl Drop for SlowDrop {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits for the drop");
            self.1.recv().expect("the test ends the drop");
        }
    }
    let (group, work) = (Group::new(), Work::default());
    let ((begun, has_begun), (end, ending)) = (channel(), channel());
    let slow = SlowDrop(begun, ending);
    let mut abandoned = task::spawn(group.call("key", move || async move {
        let _slow = slow;
        pending().await
    }));
    assert_pending!(abandoned.poll());
    let dropping = thread::spawn(move || drop(abandoned));
    has_begun.recv().unwrap();

    let mut next = task::spawn(group.try_call("key", work.run(2)).expect("nobody can join it"));
    assert_pending!(next.poll());
    assert_eq!((work.starts(), group.callers("key")), (0, 1));
    assert!(group.try_call("key", never).is_none(), "one waits for the drop");
    end.send(()).unwrap();
    dropping.join().unwrap();
    assert!(next.is_woken());
    work.gate.notify_one();
    assert_eq!(assert_ready!(next.poll()).value, 2);
    assert!(group.is_empty());
}

#[test]
fn beside_a_flight_that_was_forgotten_it_leads() {
    let (group, work) = (Group::new(), Work::default());
    let mut old = task::spawn(group.call("key", work.run(1)));
    assert_pending!(old.poll());
    assert!(group.forget("key"));
    let new = group.try_call("key", work.run(2)).expect("nobody finds the old one");
    assert!(group.try_call("key", never).is_none());
    work.gate.notify_one();
    assert_eq!(assert_ready!(old.poll()).value, 1);
    assert_eq!(group.callers("key"), 1, "the end of the old one leaves the new one alone");
    drop(new);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn past_the_join_window_it_leads() {
    let window = Duration::from_secs(1);
    let (group, work) = (Group::with_limits(Limits::new().join_window(window)), Work::default());
    let mut old = task::spawn(group.call("key", work.run(1)));
    assert_pending!(old.poll());
    advance(window).await;
    assert!(group.try_call("key", never).is_none());
    advance(Duration::from_nanos(1)).await;
    let new = group.try_call("key", || async { 2 }).expect("the old one takes no joiners");
    assert!(group.try_call("key", never).is_none(), "the window is the new one's");
    assert_eq!(new.await.role, Role::Leader);
    work.gate.notify_one();
    assert_eq!(assert_ready!(old.poll()).value, 1);
    assert!(group.is_empty());
}

/// Its look is the first after the window, and gives the key to the one that waits.
#[tokio::test(start_paused = true)]
async fn past_the_join_window_it_is_none_where_a_flight_waits_for_the_next_run() {
    let window = Duration::from_secs(1);
    let (group, work) = (Group::with_limits(Limits::new().join_window(window)), Work::default());
    let mut old = task::spawn(group.call("key", work.run(1)));
    assert_pending!(old.poll());
    let mut next = task::spawn(group.call_fresh("key", work.run(2)));
    assert_pending!(next.poll());
    assert!(group.try_call("key", never).is_none());
    advance(2 * window).await;
    assert!(group.try_call("key", never).is_none(), "one waits, and is not too old");
    assert_pending!(next.poll());
    assert_eq!((work.starts(), group.callers("key"), group.waiting("key")), (2, 1, 0));
    work.gate.notify_waiters();
    settle().await;
    assert_eq!((assert_ready!(old.poll()).value, assert_ready!(next.poll()).value), (1, 2));
    assert!(group.is_empty());
}

#[tokio::test]
async fn it_is_none_beside_a_flight_that_takes_the_key_of_the_last_run_and_has_not_begun() {
    let (group, work) = (Group::new(), Work::default());
    let mut old = task::spawn(group.call("key", work.run(1)));
    assert_pending!(old.poll());
    let next = group.call_fresh("key", work.run(2));
    work.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(old.poll()).value, 1);
    assert_eq!(group.callers("key"), 1);
    assert!(group.try_call("key", never).is_none());
    work.gate.notify_one();
    assert_eq!(next.await.value, 2);
    assert!(group.is_empty());
}

#[test]
fn where_as_many_flights_are_as_may_be_it_goes_alone_and_is_none_only_for_its_own_key() {
    let group = Group::with_limits(Limits::new().max_flights(1));
    let call = group.call("key", || async { 1 });
    assert!(group.try_call("key", never).is_none());
    let mut alone = task::spawn(group.try_call("other", || async { 2 }).expect("nothing is under way for it"));
    assert!(!alone.is_leader());
    assert!(group.try_call("other", never).is_some(), "nobody finds it");
    assert_eq!(assert_ready!(alone.poll()).role, Role::Alone(Reason::Full));
    drop(call);
    assert!(group.is_empty());
}

#[test]
fn limits_of_zero_followers_and_of_no_wait_change_nothing() {
    for limits in [Limits::new().max_followers(0), Limits::new().max_wait(Duration::ZERO)] {
        let group = Group::with_limits(limits);
        let call = group.try_call("key", || async { 1 }).unwrap();
        assert!(call.is_leader());
        assert!(group.try_call("key", never).is_none());
        drop(call);
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn work_that_tries_its_own_key_skips_and_tries_others_with_what_waits_for_it() {
    let group: Group<&str, u32> = Group::new();
    let inner = group.clone();
    let outer = group.call("a", move || async move {
        assert!(inner.try_call("a", never).is_none(), "it runs in it");
        let back = inner.clone();
        // b is called from a, and a is under way.
        let other = inner.try_call("b", move || async move { u32::from(back.try_call("a", never).is_none()) });
        other.expect("nothing is under way").await.value
    });
    assert_eq!(outer.await.value, 1);

    // It is seen that `a` waits for what it leads: a call from there goes alone, where it would wait for itself.
    let inner = group.clone();
    let outer = group.call("a", move || async move {
        let back = inner.clone();
        let other = inner.try_call("b", move || async move {
            let outcome = back.call("a", || async { 7 }).await;
            assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
            outcome.value
        });
        other.unwrap().await.value
    });
    assert_eq!(outer.await.value, 7);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_skips_is_neither_counted_nor_told_and_who_leads_is() {
    let recorder = Arc::new(Recorder::default());
    let group = Group::with_limits(Limits::new().max_flights(1)).observed(Arc::clone(&recorder));
    let call = group.try_call("key", || async { 1 }).unwrap();
    assert!(group.try_call("key", never).is_none());
    assert_eq!(group.try_call("other", || async { 2 }).unwrap().await.value, 2);
    assert_eq!(call.await.value, 1);
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone, stats.calls()), (1, 0, 1, 2));
    recorder.assert_told(&[
        "led 0",
        "alone: Full",
        "answered Alone(Full) after 0 ms, 1 callers",
        "landed 0 after 0 ms, 1 callers, alone",
        "answered Leader after 0 ms, 1 callers",
    ]);
    assert!(group.is_empty());
}

/// Invariant 6.
#[test]
fn the_work_and_the_key_of_who_skips_are_dropped_outside_the_lock() {
    #[derive(Clone)]
    struct Asks(Group<u8, u32>);
    impl Drop for Asks {
        fn drop(&mut self) {
            assert_eq!(self.0.callers(&7), 1);
        }
    }
    let group = Group::new();
    let call = group.call(7, || async { 1 });
    let asks = Asks(group.clone());
    let skipped = group.try_call(7, move || async move {
        drop(asks);
        2
    });
    assert!(skipped.is_none());
    drop(call);
    assert!(group.is_empty());
}

#[test]
fn a_panic_of_the_work_s_drop_leaves_the_flight_alone() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    let group = Group::new();
    let mut call = task::spawn(group.call("key", || async { 1 }));
    let bomb = Bomb;
    let work = move || {
        let _bomb = bomb;
        never()
    };
    assert!(catch_unwind(AssertUnwindSafe(|| group.try_call("key", work).is_none())).is_err());
    assert_eq!(group.callers("key"), 1);
    assert_eq!(assert_ready!(call.poll()).value, 1);
    assert!(group.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_try_at_once_one_leads() {
    let group = Group::new();
    for _ in 0..100 {
        let mut tries = JoinSet::new();
        for _ in 0..8 {
            let group = group.clone();
            tries.spawn(async move { group.try_call("key", pending::<u32>) });
        }
        let mut calls = tries.join_all().await.into_iter().flatten();
        let call = calls.next().expect("one leads");
        assert!(calls.next().is_none(), "and no other");
        drop(call);
    }
    assert!(group.is_empty());
}
