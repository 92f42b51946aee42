//! What goes wrong in others: each failure that was measured in a peer, and what becomes of the callers here.

use std::{
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, OnAbandon, Reason, Role};

use crate::work::{Work, never, settle};

/// Invariant 7.
#[tokio::test]
async fn a_leader_that_is_polled_once_and_then_starved_holds_nobody_up() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(7)));
    assert_pending!(leader.poll());
    let followers: Vec<_> = (0..5).map(|_| group.call("key", never)).collect();
    settle().await;
    work.gate.notify_one();
    for outcome in join_all(followers).await {
        assert_eq!((outcome.value, outcome.role), (7, Role::Follower));
    }
    assert!(leader.is_woken());
    assert_eq!(assert_ready!(leader.poll()).value, 7);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_follower_outlives_a_chain_of_three_hundred_leaders() {
    let (group, work, idle) = (Group::new(), Work::default(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(7)));
    assert_pending!(leader.poll());
    for _ in 0..300 {
        let next = task::spawn(group.call("key", idle.run(8)));
        drop(std::mem::replace(&mut leader, next));
        assert_eq!(group.callers("key"), 1);
    }
    settle().await;
    work.gate.notify_one();
    assert_eq!(leader.await.value, 7);
    assert_eq!((work.starts(), idle.starts()), (1, 0));
    assert!(group.is_empty());
}

/// Invariants 5 and 6: work whose `Drop` takes its time, and calls the group from there.
#[tokio::test]
async fn work_does_not_start_before_the_abandoned_one_is_dropped() {
    struct SlowDrop {
        group: Group<&'static str, u32>,
        next: Work,
        seen: Arc<Mutex<Option<(usize, usize)>>>,
        successor: Arc<Mutex<Option<task::Spawn<futures_util::future::BoxFuture<'static, u32>>>>>,
    }
    impl Drop for SlowDrop {
        fn drop(&mut self) {
            let (group, next) = (self.group.clone(), self.next.clone());
            let joined = thread::spawn(move || {
                assert_eq!(group.callers("key"), 0);
                let call = group.call("key", next.run(8));
                let mut call = task::spawn(async move { call.await.value }.boxed());
                assert_pending!(call.poll());
                (call, next.starts(), group.callers("key"))
            });
            let (call, starts, callers) = joined.join().unwrap();
            *self.seen.lock().unwrap() = Some((starts, callers));
            *self.successor.lock().unwrap() = Some(call);
        }
    }
    let (group, next, seen, successor) = (Group::new(), Work::default(), Arc::default(), Arc::default());
    let slow = SlowDrop {
        group: group.clone(),
        next: next.clone(),
        seen: Arc::clone(&seen),
        successor: Arc::clone(&successor),
    };
    let mut call = task::spawn(group.call("key", move || async move {
        let _slow = slow;
        std::future::pending::<u32>().await
    }));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(*seen.lock().unwrap(), Some((0, 1)), "the successor is registered, and has not started");
    let mut successor = successor.lock().unwrap().take().unwrap();
    assert!(successor.is_woken());
    assert_pending!(successor.poll());
    assert_eq!(next.starts(), 1);
    next.gate.notify_one();
    assert_eq!(successor.await, 8);
    assert!(group.is_empty());
}

#[tokio::test]
async fn work_that_panics_as_it_is_dropped_frees_its_key() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("dropped badly");
        }
    }
    let group: Group<&str, u32> = Group::new();
    let mut call = task::spawn(group.call("key", || async {
        let _bad = Bad;
        std::future::pending().await
    }));
    assert_pending!(call.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(call))).is_err());
    assert!(group.is_empty());
    assert_eq!(group.call("key", || async { 7 }).await.value, 7);
}

#[tokio::test]
async fn keys_whose_hashes_collide_are_never_merged() {
    #[derive(Clone, PartialEq, Eq)]
    struct Collides(u32);
    impl Hash for Collides {
        fn hash<H: Hasher>(&self, state: &mut H) {
            0.hash(state);
        }
    }
    let group = Group::new();
    let work: Vec<_> = (0..50).map(|_| Work::default()).collect();
    let calls: Vec<_> = (0..50_u32).map(|key| group.call(Collides(key), work[key as usize].run(key))).collect();
    assert_eq!(group.in_flight(), 50);
    for (key, (call, work)) in calls.into_iter().zip(&work).enumerate() {
        assert_eq!(group.callers(&Collides(key as u32)), 1);
        work.gate.notify_one();
        assert_eq!(call.await.value, key as u32);
    }
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_key_whose_eq_panics_poisons_nothing() {
    static BAD: AtomicBool = AtomicBool::new(false);
    #[derive(Clone)]
    struct Key;
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            assert!(!BAD.load(SeqCst), "these cannot be compared");
            true
        }
    }
    impl Eq for Key {}
    let (group, work) = (Group::new(), Work::default());
    let call = group.call(Key, work.run(7));
    BAD.store(true, SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| group.call(Key, never))).is_err());
    BAD.store(false, SeqCst);
    assert_eq!(group.callers(&Key), 1);
    work.gate.notify_one();
    assert_eq!(call.await.value, 7);
    assert!(group.is_empty());
}

/// A key that asks the group as it is dropped finds it unlocked. Invariant 6.
#[tokio::test]
async fn keys_are_dropped_outside_the_lock() {
    #[derive(Clone)]
    struct Key(Option<Group<Key, u32>>, Arc<AtomicUsize>);
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    impl Eq for Key {}
    impl Drop for Key {
        fn drop(&mut self) {
            if let Some(group) = &self.0 {
                group.callers(&Key(None, Arc::default()));
                self.1.fetch_add(1, SeqCst);
            }
        }
    }
    let (group, drops) = (Group::new(), Arc::new(AtomicUsize::new(0)));
    let key = || Key(Some(group.clone()), Arc::clone(&drops));
    assert_eq!(group.call(key(), || async { 7 }).await.value, 7);
    drop(group.call(key(), never));
    let call = group.call(key(), || async { 7 });
    assert!(group.forget(&Key(None, Arc::default())));
    drop(group.call(key(), never));
    drop(call);
    assert!(drops.load(SeqCst) >= 4);
    assert!(group.is_empty());
}

#[tokio::test]
async fn limits_of_zero_let_nobody_join() {
    for (limits, reason) in [
        (Limits::new().max_followers(0), Reason::Full),
        (Limits::new().max_wait(Duration::ZERO), Reason::WaitedTooLong),
    ] {
        let (group, work) = (Group::with_limits(limits), Work::default());
        let mut leader = task::spawn(group.call("key", work.run(7)));
        assert_pending!(leader.poll());
        let outcome = group.call("key", || async { 8 }).await;
        assert_eq!((outcome.value, outcome.role), (8, Role::Alone(reason)));
        work.gate.notify_one();
        assert_eq!(leader.await.value, 7);
        assert!(group.is_empty());
    }
    let group = Group::with_limits(Limits::new().max_flights(0));
    assert_eq!(group.call("key", || async { 8 }).await.role, Role::Alone(Reason::Full));
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_call_of_ones_own_key_by_way_of_another_flight_runs_alone() {
    let group: Group<&str, Role> = Group::new();
    let (b, a) = (group.clone(), group.clone());
    let outcome = group.call("a", move || async move {
        b.call("b", move || async move { a.call("a", || async { Role::Leader }).await.role }).await.value
    });
    assert_eq!(outcome.await.value, Role::Alone(Reason::Reentrant));
    assert!(group.is_empty());
}

/// The value is cloned once less than it is had, and every one of it is gone at the end. Invariant 12.
#[tokio::test]
async fn the_last_caller_gets_the_value_itself() {
    struct Counted(Arc<(AtomicUsize, AtomicUsize)>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.0.fetch_add(1, SeqCst);
            Self(Arc::clone(&self.0))
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.1.fetch_add(1, SeqCst);
        }
    }
    let (group, counts) = (Group::new(), Arc::new((AtomicUsize::new(0), AtomicUsize::new(0))));
    for callers in [1, 2, 10] {
        counts.0.store(0, SeqCst);
        counts.1.store(0, SeqCst);
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                let counts = Arc::clone(&counts);
                group.call("key", move || async move { Counted(counts) })
            })
            .collect();
        for call in calls {
            call.await;
        }
        assert_eq!((counts.0.load(SeqCst), counts.1.load(SeqCst)), (callers - 1, callers));
    }
    assert!(group.is_empty());
}

/// Invariants 10 and 12.
#[tokio::test]
async fn ten_thousand_followers_leave_in_any_order() {
    let (group, work) = (Group::new(), Work::default());
    let mut calls: Vec<_> = (0..10_000).map(|_| task::spawn(group.call("key", work.run(7)))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    settle().await;
    calls.shuffle(&mut StdRng::seed_from_u64(7));
    while let Some(call) = calls.pop() {
        drop(call);
        assert_eq!(group.callers("key"), calls.len());
    }
    settle().await;
    assert_eq!((work.starts(), work.alive()), (1, 0));
    assert!(group.is_empty());
}

#[test]
fn a_runtime_that_shuts_down_without_a_leader_drops_the_work() {
    let (group, work) = (Group::new(), Work::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let entered = runtime.enter();
    let leader = group.call("key", work.run(7));
    let mut follower = task::spawn(group.call("key", || async { 8 }));
    drop(entered);
    runtime.block_on(settle());
    drop(leader);
    assert_eq!(work.alive(), 1);
    drop(runtime);
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role), (8, Role::Alone(Reason::Lost)));
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
