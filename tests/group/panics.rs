//! Panics of the work, of its drop, of its value and of its payload: who sees them, and that the key is free (invariant 8).

use std::{
    future::{pending, poll_fn},
    hash::{Hash, Hasher},
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, Outcome, Reason, Role};

use crate::work::{never, settle};

/// Panics as it is dropped, except while another panic unwinds.
#[derive(Clone, Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "dropped");
    }
}

#[tokio::test]
async fn work_and_value_that_both_panic_as_they_are_dropped_stick_no_key() {
    for followed in [false, true] {
        let group = Group::new();
        let mut leader = task::spawn(group.call("key", || {
            let bomb = Bomb;
            poll_fn(move |_| {
                let _bomb = &bomb;
                Poll::Ready(Bomb)
            })
        }));
        let follower = followed.then(|| group.call("key", || async { Bomb }));
        settle().await;
        assert!(catch_unwind(AssertUnwindSafe(|| leader.poll())).is_err());
        drop(leader);
        if let Some(follower) = follower {
            assert!(AssertUnwindSafe(follower).catch_unwind().await.is_err());
        }
        settle().await;
        assert!(group.is_empty());
        let mut next = task::spawn(group.call("key", || async { pending().await }));
        assert_pending!(next.poll());
        assert_eq!(group.callers("key"), 1);
    }
}

/// Panics as it is dropped, whatever else unwinds.
#[derive(Clone)]
struct Always;

impl Drop for Always {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Two panics at once end the process.
#[tokio::test]
async fn a_follower_whose_work_panics_as_it_is_dropped_may_hold_the_last_value_that_does_too() {
    let group = Group::new();
    let leader = group.call("key", || async { Some(Always) });
    let work = Always;
    let follower = group.call("key", move || {
        let _work = &work;
        pending()
    });
    let outcome = leader.await;
    std::mem::forget(outcome.value);
    assert!(AssertUnwindSafe(follower).catch_unwind().await.is_err());
    assert_eq!((group.stats().panicked, group.is_empty()), (1, true));
}

/// Throws a payload that panics as it is dropped.
struct Thrown;

impl Drop for Thrown {
    fn drop(&mut self) {
        panic_any(Bomb);
    }
}

#[tokio::test]
async fn a_payload_that_panics_as_it_is_dropped_sticks_no_key() {
    for followed in [false, true] {
        let group = Group::new();
        let mut leader = task::spawn(group.call("key", || {
            let bomb = Thrown;
            poll_fn(move |_| -> Poll<u32> {
                let _bomb = &bomb;
                panic_any(Bomb)
            })
        }));
        let follower = followed.then(|| group.call("key", never));
        settle().await;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| leader.poll())) {
            forget(payload);
        } else {
            panic!("the leader sees the panic");
        }
        if let Some(follower) = follower {
            assert!(AssertUnwindSafe(follower).catch_unwind().await.is_err());
        }
        settle().await;
        assert!(group.is_empty());
    }
}

/// A value that panics as it is cloned for the first time.
#[derive(Debug)]
struct Shy(Arc<AtomicBool>);

impl Clone for Shy {
    fn clone(&self) -> Self {
        assert!(self.0.swap(true, SeqCst), "a value that panics as it is cloned");
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn a_caller_whose_clone_panicked_takes_no_other_callers_seat() {
    let group = Group::new();
    let mut calls: Vec<_> = (0..4).map(|_| task::spawn(group.call("key", || async { Shy(Arc::default()) }))).collect();
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    settle().await;
    // Polled again and again after its panic, against the rules for futures.
    for _ in 0..5 {
        assert!(catch_unwind(AssertUnwindSafe(|| calls[1].poll())).is_err());
    }
    for caller in [0, 3, 2] {
        assert_eq!(assert_ready!(calls[caller].poll()).callers, 4);
    }
    drop(calls);
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
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_call_that_is_polled_after_its_end_says_so_and_disturbs_no_flight() {
    async fn poll_again(call: impl Future + Unpin) {
        let caught = AssertUnwindSafe(call).catch_unwind().await;
        assert_eq!(caught.err().unwrap().downcast_ref(), Some(&"a call was polled after it had completed"));
    }
    let group = Group::new();
    let mut solo = group.call("another", || async { 7 });
    let (mut leader, mut follower) = (group.call("key", || async { 7 }), group.call("key", never));
    assert_eq!((&mut solo).await.value, 7);
    assert_eq!((&mut leader).await.value, 7);
    assert_eq!((&mut follower).await.value, 7);
    // In the places of those that have landed.
    let next = (group.call("key", pending), group.call("another", pending));
    poll_again(&mut solo).await;
    poll_again(&mut leader).await;
    poll_again(&mut follower).await;
    drop((solo, leader, follower));
    assert_eq!(group.in_flight(), 2);
    drop(next);
    assert!(group.is_empty());
}

#[tokio::test]
async fn work_that_panics_as_it_is_dropped_frees_its_key() {
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

/// Panics as it is dropped, whatever else unwinds.
struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        panic!("dropped badly");
    }
}

/// All of them are equal; some panic when they are dropped.
#[derive(Clone)]
struct Key {
    panics: bool,
}

impl Drop for Key {
    fn drop(&mut self) {
        assert!(!self.panics, "a key panics on purpose");
    }
}

const GOOD: Key = Key { panics: false };
const BAD: Key = Key { panics: true };

impl PartialEq for Key {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Returns the last caller of a flight whose leader has left behind a key and work that panic as they are dropped.
async fn last_caller(group: &Group<Key, u32>) -> impl Future<Output = Outcome<u32>> + Unpin {
    let mut leader = task::spawn(group.call(BAD, || async {
        let _bad = Bad;
        pending().await
    }));
    assert_pending!(leader.poll());
    let follower = group.call(GOOD, || async { 7 });
    settle().await;
    drop(leader);
    follower
}

/// By itself it would have dropped neither.
#[tokio::test(start_paused = true)]
async fn the_last_caller_of_a_flight_is_failed_by_no_panic_of_its_leaders_key_and_work() {
    let group = Group::new();
    let left = last_caller(&group).await;
    assert!(catch_unwind(AssertUnwindSafe(|| drop(left))).is_ok(), "it leaves");
    assert!(group.is_empty());

    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
    let waits_too_long = last_caller(&group).await;
    let alone = AssertUnwindSafe(waits_too_long).catch_unwind().await.expect("it runs its own work");
    assert_eq!((alone.value, alone.role), (7, Role::Alone(Reason::WaitedTooLong)));
    assert!(group.is_empty());
}

#[tokio::test]
async fn who_forgets_a_flight_is_failed_by_no_panic_of_its_key() {
    let group = Group::new();
    let forgotten = group.call(BAD, pending::<u32>);
    assert!(catch_unwind(AssertUnwindSafe(|| group.forget(&GOOD))).expect("it forgets"));
    let unshared = group.call(BAD, pending::<u32>);
    assert!(catch_unwind(AssertUnwindSafe(|| group.forget_unshared(&GOOD))).expect("it forgets"));
    drop((forgotten, unshared));
    assert!(group.is_empty());
}
