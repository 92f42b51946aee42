//! Attacks on the group and the layer: panics in odd places, circles by odd ways, callers who come and go at odd times.

mod work;

use std::{
    future::{pending, poll_fn},
    hash::{Hash, Hasher},
    mem::{forget, take},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    runtime::{Builder, Runtime},
    time::{advance, timeout},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, OnAbandon, Outcome, Reason, Role};

use self::work::{Work, never, settle};

type Kept = Arc<Mutex<Vec<Pin<Box<dyn Future<Output = Outcome<u32>> + Send>>>>>;

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

/// a -> a (spawned, alone) -> a.
#[tokio::test(start_paused = true)]
async fn work_that_spawns_its_own_key_closes_no_circle_by_way_of_the_spawned_work() {
    let group: Group<&str, u32> = Group::new();
    let outer = group.clone();
    let call = group.call("a", move || async move {
        let inner = outer.clone();
        let spawned = outer.spawn("a", move || async move {
            let outcome = inner.call("a", || async { 7 }).await;
            assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
            outcome.value
        });
        let outcome = spawned.await;
        assert_eq!(outcome.role, Role::Alone(Reason::Reentrant));
        outcome.value
    });
    let outcome = timeout(Duration::from_secs(1), call).await.expect("nobody waits for itself");
    assert_eq!(outcome.value, 7);
    assert!(group.is_empty());
}

/// A key that panics as it is dropped, if it has been told to.
#[derive(Clone)]
struct Touchy(&'static str, Arc<AtomicBool>);

impl Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Touchy {}

impl Drop for Touchy {
    fn drop(&mut self) {
        assert!(!self.1.load(SeqCst) || thread::panicking(), "a key that panics as it is dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_key_that_panics_as_it_is_dropped_sticks_no_flight() {
    let group = Group::with_limits(Limits::new().join_window(Duration::from_secs(1)));
    let (calm, touchy, work) = (Arc::default(), Arc::default(), Work::default());
    let key = Touchy("key", calm);
    let mut old = task::spawn(group.call(Touchy("key", Arc::clone(&touchy)), work.run(1)));
    assert_pending!(old.poll());
    advance(Duration::from_secs(2)).await;
    touchy.store(true, SeqCst);
    let call = catch_unwind(AssertUnwindSafe(|| group.call(key.clone(), work.run(2))));
    touchy.store(false, SeqCst);
    assert!(call.is_err());
    assert_eq!((group.callers(&key), group.in_flight()), (0, 0), "the panicking caller has left");
    work.gate.notify_one();
    assert_eq!(assert_ready!(old.poll()).value, 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_followers_key_that_panics_as_it_is_dropped_leaves_no_caller_behind() {
    let (group, work, touchy) = (Group::new(), Work::default(), Arc::<AtomicBool>::default());
    let key = Touchy("key", Arc::default());
    let leader = group.call(key.clone(), work.run(1));
    touchy.store(true, SeqCst);
    let follower = catch_unwind(AssertUnwindSafe(|| group.call(Touchy("key", Arc::clone(&touchy)), work.run(2))));
    assert!(follower.is_err());
    assert_eq!(group.callers(&key), 1, "the panicking caller has left");
    drop(leader);
    settle().await;
    assert!(group.is_empty());
}

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

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

#[test]
fn spawned_work_that_runs_alone_and_loses_its_runtime_is_still_alone() {
    let group = Group::with_limits(Limits::new().max_flights(0));
    let (first, second) = (current_thread(), current_thread());
    let work = Work::default();
    let call = first.block_on(async { group.spawn("key", work.run(1)) });
    assert!(!call.is_leader());
    drop(first);
    work.gate.notify_one();
    let outcome = second.block_on(call);
    assert_eq!((outcome.value, outcome.role), (1, Role::Alone(Reason::Full)));
    assert!(group.is_empty());
}
