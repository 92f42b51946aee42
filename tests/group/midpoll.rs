//! A follower that joins while the leader is polling the work: who takes over, and who is told.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use futures_util::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Call, Group, Role};

use crate::work::{never, settle, until};

type Follower = Call<&'static str, u32, fn() -> std::future::Ready<u32>>;

/// Joins from another thread: from this one it would be the work calling its own key. It is polled elsewhere too.
fn join(group: &Group<&'static str, u32>, runtime: &Handle) -> Follower {
    let (group, runtime) = (group.clone(), runtime.clone());
    let joining = thread::spawn(move || {
        let _context = runtime.enter();
        group.call("key", never as fn() -> _)
    });
    joining.join().expect("the follower joins")
}

/// Work during whose first poll a follower joins; it ends at the poll of that number.
fn joined_work(
    group: &Group<&'static str, u32>,
    ends_at: u32,
) -> (Arc<Mutex<Option<Follower>>>, impl FnOnce() -> futures_util::future::BoxFuture<'static, u32> + Send + 'static) {
    let follower = Arc::new(Mutex::new(None));
    let (place, group, runtime) = (Arc::clone(&follower), group.clone(), Handle::current());
    let work = move || {
        let mut polls = 0;
        poll_fn(move |_| {
            polls += 1;
            if polls == 1 {
                *place.lock().unwrap() = Some(join(&group, &runtime));
            }
            if polls == ends_at { Poll::Ready(polls) } else { Poll::Pending }
        })
        .boxed()
    };
    (follower, work)
}

/// Waits until the flights' tasks have ended.
async fn no_task_is_left() {
    until(|| Handle::current().metrics().num_alive_tasks() == 0).await;
}

#[tokio::test]
async fn the_poll_of_the_leader_that_ends_the_work_ends_the_task_too() {
    let group = Group::new();
    let (follower, work) = joined_work(&group, 1);
    let mut leader = task::spawn(group.call("key", work));
    let outcome = assert_ready!(leader.poll());
    assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Leader, 2));
    let follower = follower.lock().unwrap().take().expect("it has joined");
    let outcome = follower.await;
    assert_eq!((outcome.value, outcome.role, outcome.callers), (1, Role::Follower, 2));
    assert!(group.is_empty());
    no_task_is_left().await;
}

/// The task has been polled, and has parked, because the leader has the work.
#[test]
fn a_task_that_waits_for_the_work_is_woken_when_the_leaders_poll_ends_it() {
    let group = Group::new();
    let runtime = Arc::new(Builder::new_current_thread().build().expect("a runtime starts"));
    let (inner, tasks) = (group.clone(), Arc::clone(&runtime));
    let mut leader = task::spawn(group.call("key", move || async move {
        drop(join(&inner, tasks.handle()));
        thread::spawn(move || tasks.block_on(settle())).join().expect("the task is polled");
        1
    }));
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    assert_eq!(runtime.metrics().num_alive_tasks(), 1);
    runtime.block_on(no_task_is_left());
    assert!(group.is_empty());
}

/// The same, but the poll does not end the work.
#[test]
fn a_task_that_waits_for_the_work_is_woken_when_the_leader_gives_it_back() {
    let group = Group::new();
    let runtime = Arc::new(Builder::new_current_thread().build().expect("a runtime starts"));
    let (inner, tasks, place) = (group.clone(), Arc::clone(&runtime), Arc::new(Mutex::new(None)));
    let (kept, mut polls) = (Arc::clone(&place), 0);
    let mut leader = task::spawn(group.call("key", move || {
        poll_fn(move |_| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(polls);
            }
            *kept.lock().unwrap() = Some(join(&inner, tasks.handle()));
            let tasks = Arc::clone(&tasks);
            thread::spawn(move || tasks.block_on(settle())).join().expect("the task is polled");
            Poll::Pending
        })
    }));
    assert_pending!(leader.poll());
    let follower = place.lock().unwrap().take().expect("it has joined");
    assert_eq!(runtime.block_on(follower).value, 2);
    assert_eq!(assert_ready!(leader.poll()).value, 2);
    runtime.block_on(no_task_is_left());
    assert!(group.is_empty());
}

/// Nobody may keep it but the flight.
struct Burdened;

impl Wake for Burdened {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Burdened {
    fn drop(&mut self) {
        panic!("a waker that panics as it is dropped");
    }
}

/// The same, but the waker of the leader's poll before, which that one replaces, panics as it is dropped.
#[test]
fn a_waker_that_panics_as_it_is_dropped_keeps_no_task_asleep_that_waits_for_the_work() {
    let group = Group::new();
    let runtime = Arc::new(Builder::new_current_thread().build().expect("a runtime starts"));
    let (inner, tasks, place) = (group.clone(), Arc::clone(&runtime), Arc::new(Mutex::new(None)));
    let (kept, mut polls) = (Arc::clone(&place), 0);
    let mut leader = group.call("key", move || {
        poll_fn(move |_| {
            polls += 1;
            if polls == 2 {
                *kept.lock().unwrap() = Some(join(&inner, tasks.handle()));
                let tasks = Arc::clone(&tasks);
                thread::spawn(move || tasks.block_on(settle())).join().expect("the task is polled");
            }
            if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
        })
    });
    let burdened = Waker::from(Arc::new(Burdened));
    assert!(Pin::new(&mut leader).poll(&mut Context::from_waker(&burdened)).is_pending());
    drop(burdened);
    let again = || Pin::new(&mut leader).poll(&mut Context::from_waker(Waker::noop())).is_pending();
    assert!(catch_unwind(AssertUnwindSafe(again)).is_err());
    let mut follower = place.lock().unwrap().take().expect("it has joined");
    runtime.block_on(settle());
    assert_eq!(assert_ready!(task::spawn(&mut follower).poll()).value, 3);
    drop(leader);
    runtime.block_on(no_task_is_left());
    assert!(group.is_empty());
}

struct Grumbling;

impl Wake for Grumbling {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[tokio::test]
async fn the_waker_of_a_follower_that_panics_does_not_fail_the_leader_that_wakes_it() {
    let group = Group::new();
    let (inner, runtime, place) = (group.clone(), Handle::current(), Arc::new(Mutex::new(None)));
    let kept = Arc::clone(&place);
    let mut leader = task::spawn(group.call("key", move || async move {
        let mut follower = join(&inner, &runtime);
        let polling = thread::spawn(move || {
            let waker = Waker::from(Arc::new(Grumbling));
            assert!(Pin::new(&mut follower).poll(&mut Context::from_waker(&waker)).is_pending());
            follower
        });
        *kept.lock().unwrap() = Some(polling.join().expect("the follower parks"));
        1
    }));
    let outcome = assert_ready!(leader.poll());
    assert_eq!((outcome.value, outcome.callers), (1, 2));
    let follower = place.lock().unwrap().take().expect("it has joined");
    assert_eq!(follower.await.value, 1);
    no_task_is_left().await;
    assert!(group.is_empty());
}

#[tokio::test]
async fn the_task_takes_over_after_the_poll_of_the_leader_that_does_not_end_the_work() {
    let group = Group::new();
    let (follower, work) = joined_work(&group, 2);
    let mut leader = task::spawn(group.call("key", work));
    assert_pending!(leader.poll());
    let mut follower = task::spawn(follower.lock().unwrap().take().expect("it has joined"));
    assert_pending!(follower.poll());
    settle().await;
    assert!(leader.is_woken(), "though its own poll was the last but one of the work");
    assert!(follower.is_woken());
    assert_eq!(assert_ready!(leader.poll()).value, 2);
    assert_eq!(assert_ready!(follower.poll()).value, 2);
    assert!(group.is_empty());
    no_task_is_left().await;
}

#[tokio::test]
async fn a_follower_that_joins_and_leaves_in_mid_poll_leaves_no_task_behind() {
    let group: Group<_, u32> = Group::new();
    let (inner, runtime) = (group.clone(), Handle::current());
    let mut leader = task::spawn(group.call("key", move || async move {
        drop(join(&inner, &runtime));
        1
    }));
    let outcome = assert_ready!(leader.poll());
    assert_eq!((outcome.value, outcome.callers), (1, 1));
    assert!(group.is_empty());
    no_task_is_left().await;
}

#[tokio::test]
async fn a_panic_reaches_a_follower_that_joined_in_that_poll() {
    let group: Group<_, u32> = Group::new();
    let (place, runtime) = (Arc::new(Mutex::new(None)), Handle::current());
    let (kept, inner) = (Arc::clone(&place), group.clone());
    let leader = group.call("key", move || async move {
        *kept.lock().unwrap() = Some(join(&inner, &runtime));
        panic!("boom")
    });
    let caught = AssertUnwindSafe(leader).catch_unwind().await.expect_err("the leader panics");
    assert_eq!(caught.downcast_ref(), Some(&"boom"));
    let follower = place.lock().unwrap().take().expect("it has joined");
    let caught = AssertUnwindSafe(follower).catch_unwind().await.expect_err("the follower panics");
    assert_eq!(caught.downcast_ref(), Some(&"boom"));
    assert!(group.is_empty());
    no_task_is_left().await;
}

/// Invariant 8: the runtime that was to take the work over dies while the leader polls it.
#[test]
fn a_leader_that_polls_while_its_task_dies_goes_on_with_its_work() {
    for ends_at in [1, 2] {
        let group: Group<&str, u32> = Group::new();
        let (place, inner) = (Arc::new(Mutex::new(None)), group.clone());
        let kept = Arc::clone(&place);
        let mut polls = 0;
        let mut leader = task::spawn(group.call("key", move || {
            poll_fn(move |_| {
                polls += 1;
                if polls == 1 {
                    let runtime = Runtime::new().expect("a runtime starts");
                    *kept.lock().unwrap() = Some(join(&inner, runtime.handle()));
                    drop(runtime);
                    assert!(inner.is_empty(), "the key is free as soon as the task is gone");
                }
                if polls == ends_at { Poll::Ready(polls) } else { Poll::Pending }
            })
        }));
        // Work that has not ended is the leader's to poll again, which its own poll has told the work.
        if ends_at == 2 {
            assert_pending!(leader.poll());
        }
        let outcome = assert_ready!(leader.poll());
        assert_eq!((outcome.value, outcome.role, outcome.callers), (ends_at, Role::Leader, 1));
        let follower = place.lock().unwrap().take().expect("it has joined");
        assert_eq!(format!("{follower:?}"), "Call { role: Follower, .. }");
        let alone = AssertUnwindSafe(follower).catch_unwind().now_or_never().expect("it runs its own work at once");
        assert!(alone.is_err_and(|payload| payload.is::<&str>()), "its own work is `never`");
        assert!(group.is_empty());
    }
}
