//! Fresh calls: they share the next run, never the one that began before they were made (invariant 13).

use std::{future::Ready, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, OnAbandon, Outcome, Role};

use crate::{
    recorder::Recorder,
    work::{Work, never, settle, until},
};

pub(crate) type Table = Group<&'static str, u32>;
pub(crate) type Called = task::Spawn<BoxFuture<'static, Outcome<u32>>>;

/// Leads a flight, and polls its work once.
pub(crate) fn running(group: &Table, work: &Work, value: u32) -> Called {
    let call = group.call("key", work.run(value));
    assert!(call.is_leader());
    let mut call = task::spawn(call.boxed());
    assert_pending!(call.poll());
    assert_eq!((work.starts(), group.callers("key")), (1, 1));
    call
}

/// Leads the flight that is to run next.
pub(crate) fn next(group: &Table, work: &Work, value: u32) -> Called {
    let call = group.call_fresh("key", work.run(value));
    assert!(call.is_leader());
    assert_eq!((work.starts(), group.waiting("key")), (0, 1));
    task::spawn(call.boxed())
}

/// Joins a flight.
pub(crate) fn joined(group: &Table, fresh: bool) -> Called {
    let work: fn() -> Ready<u32> = never;
    let call = if fresh { group.call_fresh("key", work) } else { group.call("key", work) };
    assert!(!call.is_leader());
    task::spawn(call.boxed())
}

/// Ends work that waits for its gate; returns what its callers get.
async fn land<const N: usize>(work: &Work, callers: [&mut Called; N]) -> [(u32, usize); N] {
    work.gate.notify_one();
    let mut callers = callers.into_iter();
    let outcomes = callers.by_ref().map(|call| async move {
        settle().await;
        let outcome = call.poll();
        let outcome = assert_ready!(outcome);
        (outcome.value, outcome.callers)
    });
    let outcomes: Vec<_> = futures_util::future::join_all(outcomes).await;
    outcomes.try_into().expect("as many as there were")
}

#[tokio::test]
async fn a_fresh_caller_leads_where_nothing_runs_and_joins_work_that_has_not_begun() {
    let (group, work) = (Table::new(), Work::default());
    let leader = group.call_fresh("key", work.run(1));
    assert!(leader.is_leader());
    let (mut leader, mut fresh) = (task::spawn(leader.boxed()), joined(&group, true));
    assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (2, 0, 1));
    assert_pending!(leader.poll());
    assert_eq!(land(&work, [&mut leader, &mut fresh]).await, [(1, 2); 2]);
    assert_eq!(work.starts(), 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn fresh_callers_share_the_next_run_and_ordinary_ones_the_run_under_way() {
    let (group, first, second) = (Table::new(), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let mut leader = next(&group, &second, 2);
    let (mut follower, mut ordinary) = (joined(&group, true), joined(&group, false));
    assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (2, 2, 2));
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone), (2, 2, 0));
    assert_eq!((stats.in_flight, stats.callers, stats.waiting), (2, 4, 2));
    assert_pending!(leader.poll());
    assert_pending!(follower.poll());
    settle().await;
    assert_eq!(second.starts(), 0, "one run at a time");

    assert_eq!(land(&first, [&mut before, &mut ordinary]).await, [(1, 2); 2]);
    assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (2, 0, 1));
    assert_eq!((first.alive(), second.starts()), (0, 1));
    let mut late = joined(&group, false);
    assert_eq!(land(&second, [&mut leader, &mut follower, &mut late]).await, [(2, 3); 3]);
    assert!(group.is_empty());
}

#[test]
fn a_fresh_caller_that_nobody_joins_drives_its_run_itself() {
    let (group, first, second) = (Table::new(), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let mut after = next(&group, &second, 2);
    assert_pending!(after.poll());
    first.gate.notify_one();
    assert_eq!(assert_ready!(before.poll()).value, 1);
    assert!(after.is_woken());
    assert_eq!((group.callers("key"), group.waiting("key")), (1, 0));
    assert_pending!(after.poll());
    second.gate.notify_one();
    let outcome = assert_ready!(after.poll());
    assert_eq!((outcome.value, outcome.role, outcome.callers), (2, Role::Leader, 1));
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_fresh_caller_of_a_run_that_fresh_callers_wait_behind_waits_two_runs_at_most() {
    let (group, works) = (Table::new(), [(); 3].map(|()| Work::default()));
    let mut before = running(&group, &works[0], 0);
    let mut second = next(&group, &works[1], 1);
    assert_pending!(second.poll());
    assert_eq!(land(&works[0], [&mut before]).await, [(0, 1)]);
    assert_pending!(second.poll());
    let mut third = next(&group, &works[2], 2);
    assert_pending!(third.poll());
    assert_eq!(land(&works[1], [&mut second]).await, [(1, 1)]);
    assert_pending!(third.poll());
    assert_eq!(land(&works[2], [&mut third]).await, [(2, 1)]);
    assert!(group.is_empty());
}

/// The leader of the flight that waits may sit in an arm of some `select!` for ever (invariant 7).
#[tokio::test]
async fn a_leader_that_is_never_polled_holds_up_nobody_in_its_turn() {
    let (group, first, second) = (Table::new(), Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let unpolled = next(&group, &second, 2);
    let mut follower = joined(&group, true);
    assert_pending!(follower.poll());
    assert_eq!(land(&first, [&mut before]).await, [(1, 1)]);
    assert_eq!(land(&second, [&mut follower]).await, [(2, 2)]);
    drop(unpolled);

    // Alone on its flight it keeps the key, until somebody else comes.
    let (first, second) = (Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let unpolled = next(&group, &second, 2);
    assert_eq!(land(&first, [&mut before]).await, [(1, 1)]);
    let mut ordinary = joined(&group, false);
    assert_eq!(land(&second, [&mut ordinary]).await, [(2, 2)]);
    drop(unpolled);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_all_who_wait_have_left_their_work_is_dropped_unpolled() {
    for shared in [false, true] {
        let recorder = Arc::new(Recorder::default());
        let group = Group::with_limits(Limits::new().on_abandon(OnAbandon::Finish)).observed(Arc::clone(&recorder));
        let (first, second, third) = (Work::default(), Work::default(), Work::default());
        let mut before = running(&group, &first, 1);
        let leader = next(&group, &second, 2);
        let follower = shared.then(|| joined(&group, true));
        settle().await;
        drop((leader, follower));
        assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (1, 0, 1));
        assert_eq!(group.stats().abandoned, 1);
        let told = std::mem::take(&mut *recorder.events.lock().unwrap());
        assert!(told.contains(&"ended 1 after 0 ms: abandoned".to_owned()), "{told:?}");
        let mut after = next(&group, &third, 3);
        assert_pending!(after.poll());
        assert_eq!(land(&first, [&mut before]).await, [(1, 1)]);
        assert_pending!(after.poll());
        assert_eq!(land(&third, [&mut after]).await, [(3, 1)]);
        assert_eq!(second.starts(), 0);
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn what_was_spawned_fresh_runs_in_its_turn_though_nobody_waits() {
    for joins in [false, true] {
        let (group, first, second) = (Table::new(), Work::default(), Work::default());
        let mut before = running(&group, &first, 1);
        if joins {
            let leader = next(&group, &second, 2);
            drop(group.spawn_fresh("key", never));
            drop(leader);
        } else {
            drop(group.spawn_fresh("key", second.run(2)));
        }
        settle().await;
        assert_eq!((group.waiting("key"), group.in_flight(), second.starts()), (0, 2, 0));
        let mut fresh = joined(&group, true);
        assert_eq!(land(&first, [&mut before]).await, [(1, 1)]);
        assert_eq!(land(&second, [&mut fresh]).await, [(2, 1)]);
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn forgetting_a_run_starts_the_one_behind_it_at_once() {
    type Forget = fn(&Table) -> bool;
    let ways: [Forget; 3] = [
        |group| group.forget("key"),
        |group| group.forget_unshared("key"),
        |group| group.forget_where(|key| *key == "key") == 1,
    ];
    for forget in ways {
        let (group, first, second) = (Table::new(), Work::default(), Work::default());
        let mut before = running(&group, &first, 1);
        let mut after = next(&group, &second, 2);
        assert_pending!(after.poll());
        assert!(forget(&group));
        assert!(after.is_woken());
        assert_eq!((group.callers("key"), group.waiting("key"), group.in_flight()), (1, 0, 1));
        assert_pending!(after.poll());
        assert_eq!((first.alive(), second.alive()), (1, 1), "to forget lets runs overlap");
        let mut late = joined(&group, false);
        assert_eq!(land(&second, [&mut after, &mut late]).await, [(2, 2); 2]);
        assert_eq!(land(&first, [&mut before]).await, [(1, 1)]);
        assert!(group.is_empty());
    }
}

#[tokio::test]
async fn a_run_that_panics_lets_the_next_one_start() {
    let (group, second) = (Table::new(), Work::default());
    let gate = Work::default();
    let opened = Arc::clone(&gate.gate);
    let mut before = task::spawn(group.call("key", move || async move {
        opened.notified().await;
        std::panic::resume_unwind(Box::new("boom"))
    }));
    assert_pending!(before.poll());
    let mut after = next(&group, &second, 2);
    assert_pending!(after.poll());
    gate.gate.notify_one();
    settle().await;
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| before.poll())).is_err());
    assert!(after.is_woken());
    assert_pending!(after.poll());
    assert_eq!(land(&second, [&mut after]).await, [(2, 1)]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_of_a_flight_that_waits_as_of_any_other() {
    let recorder = Arc::new(Recorder::default());
    let group = Table::new().observed(Arc::clone(&recorder));
    let (first, second) = (Work::default(), Work::default());
    let mut before = running(&group, &first, 1);
    let (mut leader, mut follower) = (next(&group, &second, 2), joined(&group, true));
    recorder.assert_told(&["led 0", "led 1", "moved 0", "joined 1 at 0 ms, 2 callers", "moved 1"]);
    land(&first, [&mut before]).await;
    recorder.assert_told(&["landed 0 after 0 ms, 1 callers, alone", "answered Leader after 0 ms, 1 callers"]);
    land(&second, [&mut leader, &mut follower]).await;
    recorder.assert_told(&[
        "landed 1 after 0 ms, 2 callers, shared",
        "answered Leader after 0 ms, 2 callers",
        "answered Follower after 0 ms, 2 callers",
    ]);
    until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
    assert!(group.is_empty());
}

/// Many callers, as many runs as fit one after the other.
#[tokio::test(start_paused = true)]
async fn however_many_ask_one_runs_and_one_waits() {
    const RUN: Duration = Duration::from_millis(20);
    let (group, runs) = (Group::new(), Work::default());
    let call = |at: u64| {
        let (group, runs) = (group.clone(), runs.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(at)).await;
            let called = tokio::time::Instant::now();
            let begun = group
                .call_fresh("key", move || {
                    drop(runs.run(0)());
                    let begun = tokio::time::Instant::now();
                    async move {
                        tokio::time::sleep(RUN).await;
                        begun
                    }
                })
                .await
                .value;
            assert!(begun >= called);
            assert!(called.elapsed() <= 2 * RUN, "it waited {:?}", called.elapsed());
        }
    };
    futures_util::future::join_all((0..1_000).map(call)).await;
    assert!(runs.starts() <= 51, "{} runs in a second", runs.starts());
    assert!(group.is_empty());
}

/// An arm of some `select!`, say, that is not looked at: it held up all who came behind it.
#[tokio::test]
async fn who_waits_for_the_next_run_does_not_depend_on_the_leader_of_this_one_being_polled() {
    for spawned in [false, true] {
        let (group, work) = (Group::new(), Work::default());
        let mut leader = task::spawn(group.call("key", work.run(1)));
        assert_pending!(leader.poll());
        let fresh = if spawned { group.spawn_fresh("key", two) } else { group.call_fresh("key", two) };
        work.gate.notify_one();
        settle().await;
        let mut fresh = task::spawn(fresh);
        assert_eq!(assert_ready!(fresh.poll()).value, 2);
        assert!(leader.is_woken());
        let outcome = assert_ready!(leader.poll());
        assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Leader, 1));
        assert!(group.is_empty());
    }
}

fn two() -> std::future::Ready<u32> {
    std::future::ready(2)
}
