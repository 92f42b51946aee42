//! Drops that panic: whom they fail, and that nothing is leaked then.

use std::{
    cell::Cell,
    future::{pending, poll_fn, ready},
    hash::{Hash, Hasher},
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr::null,
    sync::{Arc, Mutex},
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::advance;
use tokio_test::{assert_pending, task};
use tower_singleflight::{Group, Limits, Outcome, Reason, Role};

use crate::{
    told::Told,
    work::{never, settle},
};

/// Panics as it is dropped, if it is told to.
#[derive(Clone, Default)]
struct Bad(bool);

impl Drop for Bad {
    fn drop(&mut self) {
        if self.0 {
            resume_unwind(Box::new("dropped badly"));
        }
    }
}

impl Hash for Bad {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialEq for Bad {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Bad {}

/// A waker whose last hold panics as it is dropped.
struct Worn(#[allow(dead_code, reason = "held for its `Drop`")] Bad);

impl Wake for Worn {
    fn wake(self: Arc<Self>) {}
}

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// The first of its clones that is dropped once the thread is armed panics.
#[allow(unsafe_code, reason = "a safe waker tells nothing of the drop of a clone")]
fn fragile() -> Waker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &VTABLE),
        |_| (),
        |_| (),
        |_| {
            if ARMED.take() {
                resume_unwind(Box::new("a waker that panics as it is dropped"));
            }
        },
    );
    // SAFETY: there is nothing behind the pointer.
    unsafe { Waker::new(null(), &VTABLE) }
}

/// It was counted as released, and the observers were told that it had panicked.
#[tokio::test(start_paused = true)]
async fn a_follower_that_has_waited_too_long_goes_alone_though_its_waker_panics_as_it_is_dropped() {
    let told = Arc::new(Told::default());
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1))).observed(Arc::clone(&told));
    let leader = group.call("key", || pending().boxed());
    let mut follower = group.call("key", || ready(2).boxed());
    let waker = fragile();
    assert!(follower.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    advance(Duration::from_secs(1)).await;
    ARMED.set(true);
    let polled = catch_unwind(AssertUnwindSafe(|| follower.poll_unpin(&mut Context::from_waker(&waker))));
    let Ok(Poll::Ready(outcome)) = polled else { panic!("it runs its own work") };
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::WaitedTooLong)));
    drop((leader, follower));
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// The key of a run goes to the one that waits behind it.
#[tokio::test]
async fn a_fresh_caller_is_failed_by_no_panic_of_the_key_that_another_has_brought() {
    let group = Group::new();
    let mut before = task::spawn(group.call(Bad(true), pending::<u32>));
    assert_pending!(before.poll());
    let fresh = group.call_fresh(Bad(false), || ready(2));
    drop(before);
    let outcome = AssertUnwindSafe(fresh).catch_unwind().await.expect("its own key does not panic");
    assert_eq!(outcome.value, 2);
    assert!(group.is_empty());
}

/// Its timer has the last hold on its waker. What the observers were told of it was counted as nothing.
#[tokio::test(start_paused = true)]
async fn a_follower_that_does_not_wait_any_more_is_failed_by_no_panic_of_its_timers_waker() {
    let told = Arc::new(Told::default());
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1))).observed(Arc::clone(&told));
    let leader = group.call("key", || ready(1).boxed());
    let mut followers = [(); 2].map(|()| group.call("key", || never().boxed()));
    for follower in &mut followers {
        let waker = Waker::from(Arc::new(Worn(Bad(true))));
        assert!(follower.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(leader.await.value, 1);
    let [answered, leaves] = followers;
    let outcome = AssertUnwindSafe(answered).catch_unwind().await.expect("it has an outcome");
    assert_eq!((outcome.value, outcome.role), (1, Role::Follower));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(leaves))).is_ok());
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// Work that ends with a value, and panics as it is dropped after that.
fn bad_work(value: Arc<()>) -> impl Future<Output = Arc<()>> {
    let bad = Bad(true);
    poll_fn(move |_| {
        let _bad = &bad;
        Poll::Ready(Arc::clone(&value))
    })
}

#[tokio::test]
async fn the_value_of_work_that_panics_as_it_is_dropped_is_not_leaked() {
    for scoped in [false, true] {
        let group = Group::new();
        let group = if scoped { group.scope(|work| work) } else { group };
        let value = Arc::new(());
        let run = Arc::clone(&value);
        let mut call = task::spawn(group.call("key", move || bad_work(run)));
        assert!(catch_unwind(AssertUnwindSafe(|| call.poll())).is_err());
        drop(call);
        assert_eq!(Arc::strong_count(&value), 1, "scoped: {scoped}");
        assert!(group.is_empty());
    }
}

type Follower = Pin<Box<dyn Future<Output = Outcome<Original>> + Send>>;

/// A value that panics as it is dropped, unless it is a copy. As it is copied, another follower gets its own copy.
struct Original {
    other: Arc<Mutex<Option<Follower>>>,
    bad: Bad,
}

impl Clone for Original {
    fn clone(&self) -> Self {
        let other = self.other.lock().expect("no follower panics").take();
        drop(other.map(|other| other.now_or_never().expect("the flight has landed")));
        Self { other: Arc::clone(&self.other), bad: Bad(false) }
    }
}

/// So it may be on two threads: each of the last two followers sees the other, and neither takes the value itself.
#[tokio::test]
async fn a_follower_that_has_a_copy_is_failed_by_no_panic_of_the_value_that_it_is_a_copy_of() {
    let told = Arc::new(Told::default());
    let group = Group::new().observed(Arc::clone(&told));
    let other = Arc::new(Mutex::new(None));
    let value = Original { other: Arc::clone(&other), bad: Bad(true) };
    let leader = group.call("key", || ready(value).boxed());
    let [first, second] = [(); 2].map(|()| group.call("key", || pending().boxed()));
    *other.lock().unwrap() = Some(second.boxed());
    settle().await;
    drop(leader);
    let outcome = AssertUnwindSafe(first).catch_unwind().await.expect("it has its copy");
    assert!(outcome.callers == 3 && !outcome.value.bad.0);
    drop(outcome);
    assert_eq!(Arc::strong_count(&other), 1);
    told.assert_agrees(group.stats());
    assert!(group.is_empty());
}

/// Two panics at once end the process.
#[tokio::test]
async fn a_follower_that_leaves_may_hold_the_last_value_and_work_which_both_panic_as_they_are_dropped() {
    let group = Group::new();
    let leader = group.call("key", || ready(Bad(true)).boxed());
    let unneeded = Bad(true);
    let follower = group.call("key", move || {
        let _unneeded = &unneeded;
        pending().boxed()
    });
    forget(leader.await.value);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(follower))).is_err(), "its own work panics");
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_leader_that_leaves_may_have_work_a_key_and_a_waker_that_all_panic_as_they_are_dropped() {
    let group = Group::new();
    let bad = Bad(true);
    let mut leader = group.call(Bad(true), move || {
        poll_fn(move |_| {
            let _bad = &bad;
            Poll::<u32>::Pending
        })
    });
    let waker = Waker::from(Arc::new(Worn(Bad(true))));
    assert!(leader.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(leader))).is_err(), "its own work panics");
    assert!(group.is_empty());
}
