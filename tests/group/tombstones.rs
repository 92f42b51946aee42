//! Work whose drop takes its time: nobody joins it, and its replacement waits (invariant 5).

use std::{
    future::pending,
    sync::{Arc, Mutex, mpsc::channel},
    thread,
};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Role};

use crate::{
    slow_drop::{Dropping, SlowDrop},
    work::{Kept, Work, never, settle, until},
};

#[test]
fn a_replacement_does_not_start_before_the_cancelled_work_is_dropped() {
    let (group, work) = (Group::new(), Work::default());
    let dropping = Dropping::of(&group, "key");
    assert_eq!((group.callers("key"), group.in_flight()), (0, 0), "nobody can join it");
    assert!(!group.forget("key"));
    assert!(group.forget_unshared("key"));

    let mut next = task::spawn(group.call("key", work.run(2)));
    assert!(next.is_leader());
    assert_eq!((group.callers("key"), group.in_flight()), (1, 1));
    assert_pending!(next.poll());
    assert_pending!(next.poll());
    assert_eq!(work.starts(), 0);
    dropping.finish();
    assert!(next.is_woken());
    assert_pending!(next.poll());
    assert_eq!(work.starts(), 1);
    work.gate.notify_one();
    let outcome = assert_ready!(next.poll());
    assert_eq!((outcome.value, outcome.role), (2, Role::Leader));
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_replacement_that_is_joined_waits_too() {
    let (group, work) = (Group::new(), Work::default());
    let dropping = Dropping::of(&group, "key");
    let leader = group.call("key", work.run(2));
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(follower.poll());
    settle().await;
    assert_eq!((work.starts(), group.callers("key")), (0, 2));
    dropping.finish();
    until(|| work.starts() == 1).await;
    work.gate.notify_one();
    assert_eq!((leader.await.value, follower.await.value), (2, 2));
    assert!(group.is_empty());
}

#[test]
fn a_replacement_that_is_given_up_leaves_the_next_one_waiting() {
    let (group, work) = (Group::new(), Work::default());
    let dropping = Dropping::of(&group, "key");
    let mut given_up = task::spawn(group.call("key", work.run(2)));
    assert_pending!(given_up.poll());
    drop(given_up);
    assert_eq!((group.callers("key"), group.in_flight()), (0, 0));

    let mut next = task::spawn(group.call("key", work.run(3)));
    assert_pending!(next.poll());
    assert_eq!((work.starts(), group.callers("key")), (0, 1), "the first work is being dropped still");
    dropping.finish();
    assert!(next.is_woken());
    work.gate.notify_one();
    assert_eq!(assert_ready!(next.poll()).value, 3);
    assert_eq!(work.starts(), 1);
    assert!(group.is_empty());
}

#[test]
fn a_replacement_of_a_replacement_waits_for_both_drops() {
    let (group, work) = (Group::new(), Work::default());
    let first = Dropping::of(&group, "key");
    // Never polled, so it is the closure that is dropped.
    let (slow, has_begun, end) = SlowDrop::new();
    let second = group.call("key", move || {
        drop(slow);
        never()
    });
    let thread = thread::spawn(move || drop(second));
    has_begun.recv().expect("the second drop begins");

    let mut third = task::spawn(group.call("key", work.run(3)));
    assert_pending!(third.poll());
    end.send(()).expect("the second drop waits for its end");
    thread.join().expect("the second drop ends");
    assert_pending!(third.poll());
    assert_eq!((work.starts(), group.callers("key")), (0, 1));
    first.finish();
    assert!(third.is_woken());
    work.gate.notify_one();
    assert_eq!(assert_ready!(third.poll()).value, 3);
    assert!(group.is_empty());
}

#[test]
fn forgetting_a_replacement_lets_others_past_it_and_does_not_start_it() {
    let (group, work) = (Group::new(), Work::default());
    let dropping = Dropping::of(&group, "key");
    let mut forgotten = task::spawn(group.call("key", work.run(2)));
    assert_pending!(forgotten.poll());
    assert!(group.forget("key"));
    assert_eq!(group.in_flight(), 0);
    assert_pending!(forgotten.poll());
    assert_eq!(work.starts(), 0);

    work.gate.notify_one();
    assert_eq!(assert_ready!(task::spawn(group.call("key", work.run(3))).poll()).value, 3);
    dropping.finish();
    assert!(forgotten.is_woken());
    work.gate.notify_one();
    assert_eq!(assert_ready!(forgotten.poll()).value, 2);
    assert!(group.is_empty());
}

/// All leave while the work is being polled: the poller drops it, and only then the key is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_abandoned_in_mid_poll_is_dropped_after_that_poll() {
    let (group, work) = (Group::new(), Work::default());
    let (slow, has_begun, end) = SlowDrop::new();
    let ((polled, is_polled), (go_on, wait)) = (channel(), channel::<()>());
    let leader = group.call("key", move || async move {
        let _slow = slow;
        polled.send(()).expect("the test waits for the poll");
        wait.recv().expect("the test lets the poll go on");
        pending().await
    });
    let follower = group.call("key", never);
    tokio::task::block_in_place(|| is_polled.recv().expect("the task polls the work"));
    drop((leader, follower));
    assert_eq!((group.callers("key"), group.in_flight()), (0, 0));

    let mut next = task::spawn(group.call("key", work.run(2)));
    assert_pending!(next.poll());
    assert!(has_begun.try_recv().is_err(), "the work is being polled still");
    go_on.send(()).expect("the poll waits");
    tokio::task::block_in_place(|| has_begun.recv().expect("the poller drops the work"));
    assert_pending!(next.poll());
    assert_eq!(work.starts(), 0);
    end.send(()).expect("the drop waits for its end");
    until(|| next.is_woken()).await;
    work.gate.notify_one();
    assert_eq!(assert_ready!(next.poll()).value, 2);
    assert!(group.is_empty());
    until(|| Handle::current().metrics().num_alive_tasks() == 0).await;
}

/// Calls its own key when it is dropped.
struct Phoenix(Group<&'static str, u32>, Work, Kept);

impl Drop for Phoenix {
    fn drop(&mut self) {
        let call = self.0.call("key", self.1.run(2));
        self.2.lock().unwrap().push(call.boxed());
    }
}

#[tokio::test]
async fn work_that_calls_its_own_key_as_it_is_dropped_leads_the_next_flight() {
    for shared in [false, true] {
        let (group, work, kept) = (Group::new(), Work::default(), Kept::default());
        let phoenix = Phoenix(group.clone(), work.clone(), Arc::clone(&kept));
        let mut first = task::spawn(group.call("key", move || async move {
            let _phoenix = phoenix;
            pending().await
        }));
        assert_pending!(first.poll());
        let second = shared.then(|| group.call("key", never));
        settle().await;
        drop((first, second));
        assert_eq!((group.callers("key"), work.starts()), (1, 0));
        let mut next = task::spawn(kept.lock().unwrap().pop().expect("the destructor has called"));
        assert_pending!(next.poll());
        work.gate.notify_one();
        let outcome = assert_ready!(next.poll());
        assert_eq!((outcome.value, outcome.role), (2, Role::Leader));
        assert!(group.is_empty());
    }
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
