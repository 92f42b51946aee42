//! Fresh calls where something is in the way: a stuck run, limits, a lost task, work that calls itself, a slow drop.

use std::{sync::mpsc::channel, thread, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    runtime::{Builder, Handle},
    time::{advance, timeout},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, Reason, Role};

use crate::{
    fresh::{Called, Table, joined, next, running},
    work::{Work, never, settle, until},
};

const SECOND: Duration = Duration::from_secs(1);

/// After so long a flight that waits for its turn starts beside the one that is stuck, with all who wait.
#[tokio::test(start_paused = true)]
async fn behind_a_stuck_run_one_more_begins_each_max_wait() {
    let (group, stuck) = (Group::with_limits(Limits::new().max_wait(SECOND)), Work::default());
    let mut runs = vec![running(&group, &stuck, 0)];
    for round in 1..4 {
        for _ in 0..30 {
            let mut call = task::spawn(group.call_fresh("key", stuck.run(0)).boxed());
            assert_pending!(call.poll());
            runs.push(call);
        }
        settle().await;
        advance(SECOND - Duration::from_millis(1)).await;
        settle().await;
        assert_eq!((stuck.starts(), group.waiting("key")), (round, 30));
        advance(Duration::from_millis(1)).await;
        settle().await;
        assert_eq!((stuck.starts(), group.callers("key"), group.waiting("key")), (round + 1, 30, 0));
        for call in &mut runs {
            assert_pending!(call.poll(), "nobody goes alone for it");
        }
    }
    drop(runs);
    assert!(group.is_empty());
    until(|| stuck.alive() == 0).await;
}

/// The limit is for the turn: a run that has begun is as good as one of their own.
#[tokio::test(start_paused = true)]
async fn nobody_waits_too_long_for_a_run_that_has_begun_after_the_call() {
    let (group, first, second) = (Group::with_limits(Limits::new().max_wait(SECOND)), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let (mut leader, mut follower) = (next(&group, &second, 2), joined(&group, true));
    assert_pending!(follower.poll());
    let spawned = group.spawn_fresh("key", never);
    advance(SECOND / 2).await;
    first.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(before.poll()).value, 1);
    settle().await;
    assert_eq!(second.starts(), 1);
    advance(SECOND * 5).await;
    assert_pending!(follower.poll());
    second.gate.notify_one();
    settle().await;
    assert_eq!((assert_ready!(leader.poll()).callers, assert_ready!(follower.poll()).value), (3, 2));
    assert_eq!(spawned.await.role, Role::Follower);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn past_the_join_window_the_flight_that_waits_is_the_next_one() {
    let limits = Limits::new().join_window(SECOND);
    let (group, first, second) = (Group::with_limits(limits), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    advance(SECOND * 3 / 4).await;
    let mut after = next(&group, &second, 2);
    assert_pending!(after.poll());
    advance(SECOND / 2).await;
    assert_eq!(second.starts(), 0, "nobody has called yet");
    let mut late = joined(&group, false);
    assert!(after.is_woken());
    assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (2, 0, 1));
    settle().await;
    assert_eq!((first.alive(), second.alive()), (1, 1));
    // Its own window has begun with its turn, not with its leader's call.
    advance(SECOND * 3 / 4).await;
    let mut later = joined(&group, false);
    second.gate.notify_one();
    settle().await;
    for call in [&mut after, &mut late, &mut later] {
        assert_eq!(assert_ready!(call.poll()).callers, 3);
    }
    first.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(before.poll()).value, 1);

    // A fresh caller past the window of a run behind which nobody waits leads at once.
    let (first, second) = (Work::default(), Work::default());
    let before = running(&group, &first, 1);
    advance(SECOND * 2).await;
    let after = group.call_fresh("key", second.run(2));
    assert!(after.is_leader());
    assert_eq!((group.callers("key"), group.waiting("key")), (1, 0));
    second.gate.notify_one();
    assert_eq!(after.await.value, 2);
    drop(before);
    assert!(group.is_empty());
}

#[tokio::test]
async fn where_a_flight_that_waits_has_no_room_the_caller_goes_alone() {
    let (group, work) = (Group::with_limits(Limits::new().max_flights(1)), Work::default());
    let before = running(&group, &work, 1);
    assert_eq!(group.call_fresh("key", || async { 2 }).await.role, Role::Alone(Reason::Full));
    assert_eq!(group.spawn_fresh("key", || async { 2 }).await.role, Role::Alone(Reason::Full));
    assert_eq!((group.callers("key"), group.in_flight(), group.stats().alone), (1, 1, 2));
    drop(before);
    assert!(group.is_empty());

    // What waits makes room again when its turn comes, or when it is given up.
    let group = Group::with_limits(Limits::new().max_flights(2).max_followers(1));
    let (first, second) = (Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    drop(next(&group, &second, 2));
    let mut after = next(&group, &second, 2);
    let follower = joined(&group, true);
    assert_eq!(group.call_fresh("key", || async { 3 }).await.role, Role::Alone(Reason::Full));
    assert_eq!(group.call("other", || async { 3 }).await.role, Role::Alone(Reason::Full));
    drop(follower);
    first.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(before.poll()).value, 1);
    assert_eq!(group.call("other", || async { 3 }).await.role, Role::Leader);
    second.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(after.poll()).value, 2);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn with_limits_of_zero_fresh_callers_go_alone() {
    for (limits, reason) in
        [(Limits::new().max_wait(Duration::ZERO), Reason::WaitedTooLong), (Limits::new().max_flights(0), Reason::Full)]
    {
        let (group, work) = (Group::with_limits(limits), Work::default());
        let mut before = task::spawn(group.call("key", work.run(1)));
        assert_pending!(before.poll());
        assert_eq!(group.call_fresh("key", || async { 2 }).await.role, Role::Alone(reason));
        drop(before);
        assert!(group.is_empty());
    }

    // Nobody may follow, but to lead the next run is not to follow.
    let (group, first, second) = (Group::with_limits(Limits::new().max_followers(0)), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let mut after = next(&group, &second, 2);
    assert_eq!(group.call_fresh("key", || async { 3 }).await.role, Role::Alone(Reason::Full));
    first.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(before.poll()).value, 1);
    second.gate.notify_one();
    assert_eq!(assert_ready!(after.poll()).value, 2);
    assert!(group.is_empty());

    // Only callers of the same instant share.
    let (group, work) = (Group::with_limits(Limits::new().join_window(Duration::ZERO)), Work::default());
    let before = running(&group, &work, 1);
    let next_work = Work::default();
    let same = next(&group, &next_work, 2);
    advance(Duration::from_millis(1)).await;
    let late = group.call_fresh("key", || async { 3 });
    assert_eq!((group.callers("key"), group.waiting("key")), (2, 0), "the flight that waited has begun just now");
    assert!(!late.is_leader());
    drop((before, same));
    next_work.gate.notify_one();
    assert_eq!(late.await.value, 2);
    assert!(group.is_empty());
}

/// Abandoned work takes its time to be dropped: the flight behind it has the key, and begins after that (invariant 5).
#[test]
fn behind_an_abandoned_run_the_next_begins_when_the_work_has_been_dropped() {
    struct Slow(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>);
    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits for the drop");
            self.1.recv().expect("the test ends the drop");
        }
    }
    let (group, work) = (Table::new(), Work::default());
    let ((begun, has_begun), (end, ending)) = (channel(), channel());
    let slow = Slow(begun, ending);
    let mut before = task::spawn(group.call("key", move || async move {
        let _slow = slow;
        std::future::pending().await
    }));
    assert_pending!(before.poll());
    let mut after = next(&group, &work, 2);
    assert_pending!(after.poll());
    let dropping = thread::spawn(move || drop(before));
    has_begun.recv().expect("the drop begins");
    assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (1, 0, 1));
    assert_pending!(after.poll());
    assert_eq!(work.starts(), 0);
    end.send(()).expect("the drop waits for its end");
    dropping.join().expect("the drop ends");
    assert!(after.is_woken());
    assert_pending!(after.poll());
    work.gate.notify_one();
    assert_eq!(assert_ready!(after.poll()).value, 2);
    assert!(group.is_empty());
}

#[tokio::test]
async fn behind_a_lost_run_the_next_begins_beside_its_leader() {
    let (group, first, second) = (Table::new(), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let doomed = Builder::new_current_thread().build().expect("a runtime starts");
    let follower = {
        let _context = doomed.enter();
        group.call("key", || async { 3 })
    };
    let mut after = next(&group, &second, 2);
    assert_pending!(after.poll());
    thread::spawn(move || drop(doomed)).join().expect("the runtime ends");
    assert_eq!((group.callers("key"), group.waiting("key"), group.stats().lost), (1, 0, 1));
    assert!(before.is_woken() && after.is_woken());
    assert_pending!(before.poll());
    assert_pending!(after.poll());
    assert_eq!((first.starts(), second.starts()), (1, 1));
    assert_eq!(follower.await.role, Role::Alone(Reason::Lost));
    first.gate.notify_one();
    second.gate.notify_one();
    assert_eq!((assert_ready!(before.poll()).value, assert_ready!(after.poll()).value), (1, 2));
    assert!(group.is_empty());
}

/// The task of the flight that waits dies with its runtime: its leader takes its work back, its followers run theirs.
#[tokio::test]
async fn a_flight_that_waits_and_is_lost_waits_no_longer() {
    for led in [true, false] {
        let (group, first, second) = (Table::new(), Work::default(), Work::default());
        let before = running(&group, &first, 1);
        let mut leader = Some(next(&group, &second, 2));
        let doomed = Builder::new_current_thread().build().expect("a runtime starts");
        let follower = {
            let _context = doomed.enter();
            group.call_fresh("key", || async { 3 })
        };
        leader.take_if(|_| !led);
        thread::spawn(move || drop(doomed)).join().expect("the runtime ends");
        assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (1, 0, 1));
        assert_eq!(follower.await.role, Role::Alone(Reason::Lost));
        if let Some(leader) = &mut leader {
            assert_pending!(leader.poll());
            second.gate.notify_one();
            assert_eq!(assert_ready!(leader.poll()).value, 2);
        }
        let third = Work::default();
        drop((next(&group, &third, 3), before, leader));
        assert!(group.is_empty());
    }
}

#[test]
fn outside_a_runtime_the_second_who_waits_goes_alone_and_with_a_limit_the_first() {
    let (group, first, second) = (Table::new(), Work::default(), Work::default());
    let before = running(&group, &first, 1);
    let after = next(&group, &second, 2);
    let outcome = group.call_fresh("key", || async { 3 }).now_or_never().expect("it runs its own work");
    assert_eq!((outcome.value, outcome.role), (3, Role::Alone(Reason::NoRuntime)));
    drop((before, after));
    assert!(group.is_empty());

    let group = Group::with_limits(Limits::new().max_wait(SECOND));
    let before = running(&group, &Work::default(), 1);
    let outcome = group.call_fresh("key", || async { 3 }).now_or_never().expect("it runs its own work");
    assert_eq!((outcome.value, outcome.role), (3, Role::Alone(Reason::NoRuntime)));
    drop(before);
    assert!(group.is_empty());
}

/// Nothing tells when the wait is over: it is none.
#[test]
fn without_timers_a_limited_wait_for_the_turn_is_over_at_once() {
    let group = Group::with_limits(Limits::new().max_wait(SECOND));
    let (first, second) = (Work::default(), Work::default());
    let before = running(&group, &first, 1);
    Builder::new_current_thread().build().expect("a runtime starts").block_on(async {
        let after = group.call_fresh("key", second.run(2));
        until(|| second.starts() == 1).await;
        second.gate.notify_one();
        assert_eq!(after.await.value, 2);
    });
    drop(before);
    assert!(group.is_empty());
}

/// a -> a (fresh), and a -> b -> a (fresh), with and without somebody who waits already: the work would wait for itself.
#[tokio::test(start_paused = true)]
async fn work_that_calls_its_own_key_fresh_goes_alone() {
    for (waits, through) in [(false, false), (true, false), (false, true), (true, true)] {
        let (group, gate) = (Table::new(), Work::default());
        let (own, opened) = (group.clone(), gate.gate.clone());
        let call = group.call("key", move || async move {
            opened.notified().await;
            let again: BoxFuture<'_, _> = if through {
                let inner = own.clone();
                let by = move || async move { inner.call_fresh("key", || async { 7 }).await };
                let other = Group::new();
                async move { other.call("by", by).await.value }.boxed()
            } else {
                own.call_fresh("key", || async { 7 }).boxed()
            };
            let outcome = again.await;
            assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
            outcome.value
        });
        let mut call = task::spawn(call.boxed());
        assert_pending!(call.poll());
        let after = waits.then(|| group.call_fresh("key", || async { 8 }));
        gate.gate.notify_one();
        let value = timeout(SECOND, async { call.await.value }).await.expect("nobody waits for itself");
        assert_eq!(value, 7);
        if let Some(after) = after {
            assert_eq!(after.await.value, 8);
        }
        assert!(group.is_empty());
    }
}

/// The circle is looked for through the flight that waits, also by callers of other keys: b waits for a's next run, whose
/// turn comes when a's work has ended, which calls b.
#[tokio::test(start_paused = true)]
async fn a_circle_through_a_flight_that_waits_is_found() {
    let (group, gate) = (Table::new(), Work::default());
    let (own, opened) = (group.clone(), gate.gate.clone());
    let a = group.spawn("a", move || async move {
        opened.notified().await;
        let outcome = own.call("b", || async { 5 }).await;
        assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
        outcome.value
    });
    settle().await;
    let own = group.clone();
    let b = group.spawn("b", move || async move { own.call_fresh("a", || async { 6 }).await.value });
    settle().await;
    assert_eq!(group.waiting("a"), 1);
    gate.gate.notify_one();
    let both = timeout(SECOND, async { (a.await.value, b.await.value) });
    assert_eq!(both.await.expect("nobody waits for itself"), (5, 6));
    assert!(group.is_empty());
    until(|| Handle::current().metrics().num_alive_tasks() == 0).await;
}

/// What a flight that waits knew of the one ahead is gone with its turn (invariant 12): no circle is seen where none is.
#[tokio::test(start_paused = true)]
async fn a_flight_whose_turn_has_come_waits_for_nobody() {
    let (group, first) = (Table::new(), Work::default());
    let mut before = running(&group, &first, 1);
    let own = group.clone();
    let mut after: Called = task::spawn(
        group.call_fresh("key", move || async move { own.call("other", || async { 4 }).await.value }).boxed(),
    );
    first.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(before.poll()).value, 1);
    assert_eq!(assert_ready!(after.poll()).value, 4);
    let follower = group.call("key", || async { 9 });
    assert_eq!(follower.await.value, 9);
    assert!(group.is_empty());
}
