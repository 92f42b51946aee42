//! Attacks on the group and the layer: panics in odd places, circles by odd ways, callers who come and go at odd times.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    hash::{Hash, Hasher},
    mem::{forget, take},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::{advance, timeout},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, service_fn};
use tower_singleflight::{Group, Limits, OnAbandon, Outcome, Reason, Role, SingleflightLayer};

use crate::work::{Work, never, settle};

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
    let mut call = {
        let _context = first.enter();
        group.spawn("key", work.run(1))
    };
    assert!(!call.is_leader());
    drop(first);
    assert!(second.block_on(poll_once(&mut call)).is_none());
    assert!(!call.is_leader(), "it runs its own work");
    work.gate.notify_one();
    let outcome = second.block_on(call);
    assert_eq!((outcome.value, outcome.role), (1, Role::Alone(Reason::Full)));
    assert!(group.is_empty());
}

/// tokio panics where there are no timers; a limit adds no failure to a call.
#[test]
fn a_limited_wait_without_timers_sends_the_follower_alone() {
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
    let work = Work::default();
    let timeless = Builder::new_current_thread().build().expect("a runtime starts");
    let (leader, outcome) = timeless.block_on(async {
        let leader = group.call("key", work.run(1));
        (leader, group.call("key", || async { 2 }).await)
    });
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::NoRuntime)));

    // A timer that was made, and has lost its runtime.
    let (first, second) = (current_thread(), current_thread());
    let mut follower = group.call("key", || async { 3 });
    assert!(first.block_on(poll_once(&mut follower)).is_none());
    drop(first);
    let outcome = second.block_on(follower);
    assert_eq!((outcome.value, outcome.role), (3, Role::Alone(Reason::NoRuntime)));
    work.gate.notify_one();
    assert_eq!(timeless.block_on(leader).value, 1);
    assert!(group.is_empty());
}

/// Drops all that it was given when it is woken.
struct Sweeper(Kept);

impl Wake for Sweeper {
    fn wake(self: Arc<Self>) {
        drop(take(&mut *self.0.lock().unwrap()));
    }
}

#[tokio::test]
async fn a_waker_may_drop_all_other_callers_at_the_landing() {
    let (group, work, kept) = (Group::new(), Work::default(), Kept::default());
    let waker = Waker::from(Arc::new(Sweeper(Arc::clone(&kept))));
    let mut leader = group.call("key", work.run(1));
    let calls = (0..10).map(|_| {
        let mut call = group.call("key", never);
        assert!(Pin::new(&mut call).poll(&mut Context::from_waker(&waker)).is_pending());
        call.boxed()
    });
    let calls: Vec<_> = calls.collect();
    kept.lock().unwrap().extend(calls);
    assert!(Pin::new(&mut leader).poll(&mut Context::from_waker(&waker)).is_pending());
    settle().await;
    work.gate.notify_one();
    settle().await;
    assert!(kept.lock().unwrap().is_empty());
    assert_eq!(leader.await.callers, 11);
    assert!(group.is_empty());
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

async fn poll_once<F: Future + Unpin>(call: &mut F) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut *call).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn calls_outlive_their_group_and_move_between_runtimes() {
    let work = Work::default();
    let (first, second) = (current_thread(), current_thread());
    let group = Group::new();
    let (leader, follower) = first.block_on(async {
        let mut leader = group.call("key", work.run(1));
        assert!(poll_once(&mut leader).await.is_none());
        let mut follower = group.call("key", never);
        assert!(poll_once(&mut follower).await.is_none());
        settle().await;
        (leader, follower)
    });
    drop(group);
    let waiting = thread::spawn(move || second.block_on(async { (leader.await, follower.await) }));
    work.gate.notify_one();
    first.block_on(async {
        while !waiting.is_finished() {
            yield_now().await;
        }
    });
    let (leader, follower) = waiting.join().unwrap();
    assert_eq!((leader.value, leader.callers, follower.value, follower.callers), (1, 2, 1, 2));
}

#[test]
fn joining_from_a_runtime_that_has_been_shut_down_harms_nobody() {
    let (group, work, dead) = (Group::new(), Work::default(), current_thread());
    let handle = dead.handle().clone();
    drop(dead);
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let _context = handle.enter();
    let mut follower = task::spawn(group.call("key", || async { 2 }));
    let outcome = assert_ready!(follower.poll());
    assert_eq!((outcome.value, outcome.role), (2, Role::Alone(Reason::Lost)));
    assert!(leader.is_woken());
    assert_pending!(leader.poll());
    work.gate.notify_one();
    assert!(leader.is_woken());
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    let mut spawned = task::spawn(group.spawn("key", work.run(3)));
    assert_pending!(spawned.poll());
    work.gate.notify_one();
    assert_eq!(assert_ready!(spawned.poll()).value, 3);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn limits_beyond_all_time_are_none() {
    let limits = Limits::new().max_wait(Duration::MAX).join_window(Duration::MAX);
    let (group, work) = (Group::with_limits(limits), Work::default());
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(follower.poll());
    advance(Duration::from_secs(1_000_000_000)).await;
    assert_pending!(follower.poll());
    let late = group.call("key", never);
    work.gate.notify_one();
    assert_eq!((leader.await.callers, follower.await.callers, late.await.callers), (3, 3, 3));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_and_the_end_of_the_wait_at_once_give_the_outcome() {
    let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", never));
    assert_pending!(follower.poll());
    advance(Duration::from_secs(2)).await;
    work.gate.notify_one();
    settle().await;
    assert_eq!(assert_ready!(follower.poll()).role, Role::Follower);
    assert_eq!(leader.await.callers, 2);
    assert!(group.is_empty());
}

/// A service whose readiness or whose clone fails.
#[derive(Clone)]
struct Unready(&'static str);

impl Service<u64> for Unready {
    type Response = u64;
    type Error = &'static str;
    type Future = std::future::Ready<Result<u64, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        assert!(self.0 != "panic", "not ready and never to be");
        Poll::Ready(Err(self.0))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        panic!("called without being ready");
    }
}

#[tokio::test]
async fn an_error_or_a_panic_of_readiness_reaches_every_caller_and_no_call_is_made() {
    let layer = SingleflightLayer::new(|id: &u64| Some(*id));
    let mut service = ServiceBuilder::new().layer(layer.clone()).service(Unready("shut"));
    let answers = join_all((0..5).map(|_| service.call(7)).collect::<Vec<_>>()).await;
    assert_eq!(answers, [Err("shut"); 5]);
    let mut panicking = ServiceBuilder::new().layer(layer).service(Unready("panic"));
    let calls = (0..5).map(|_| AssertUnwindSafe(panicking.call(7)).catch_unwind()).collect::<Vec<_>>();
    assert!(join_all(calls).await.iter().all(Result::is_err));
    assert!(service.group().is_empty() && panicking.group().is_empty());
}

#[tokio::test]
async fn a_predicate_that_panics_counts_as_the_work_and_a_callback_as_its_caller() {
    let layer = SingleflightLayer::new(|id: &u64| Some(*id));
    let echo = || service_fn(|id: u64| async move { Ok::<_, Infallible>(id) });
    let mut service = ServiceBuilder::new().layer(layer.clone().share_if(|_| panic!("share_if"))).service(echo());
    let calls = (0..3).map(|_| AssertUnwindSafe(service.call(7)).catch_unwind()).collect::<Vec<_>>();
    for answer in join_all(calls).await {
        assert_eq!(*answer.unwrap_err().downcast::<&str>().unwrap(), "share_if");
    }
    assert!(service.group().is_empty());

    let layer = layer.inspect(|role, _| assert!(role != Role::Leader, "inspect"));
    let mut service = ServiceBuilder::new().layer(layer).service(echo());
    let calls = (0..3).map(|_| AssertUnwindSafe(service.call(7)).catch_unwind()).collect::<Vec<_>>();
    let answers = join_all(calls).await;
    assert!(answers[0].is_err() && answers[1..].iter().all(|answer| matches!(answer, Ok(Ok(7)))));
    assert!(service.group().is_empty());
}

/// Everything at once, on two threads: joins, leaves, forgets, spawns, limits and graces. Nobody hangs, nothing
/// is left.
#[test]
fn a_melee_leaves_nothing() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    for on_abandon in [OnAbandon::Cancel, OnAbandon::Finish, OnAbandon::CancelAfter(Duration::from_micros(50))] {
        let limits = Limits::new()
            .on_abandon(on_abandon)
            .max_followers(3)
            .max_flights(3)
            .join_window(Duration::from_micros(200))
            .max_wait(Duration::from_millis(1));
        let group: Group<u32, u32> = Group::with_limits(limits);
        runtime.block_on(async {
            let tasks = (0..8u32).map(|number| {
                let group = group.clone();
                tokio::spawn(async move {
                    let mut random = number.wrapping_mul(2_654_435_761).wrapping_add(12_345);
                    let mut next = move || {
                        random ^= random << 13;
                        random ^= random >> 17;
                        random ^= random << 5;
                        random
                    };
                    for _ in 0..5_000 {
                        let key = next() % 4;
                        let yields = next() % 4;
                        let nested = (next() % 8 == 0).then(|| group.clone());
                        let work = move || async move {
                            for _ in 0..yields {
                                yield_now().await;
                            }
                            if let Some(group) = nested {
                                return group.call((key + 1) % 4, move || async move { (key + 1) % 4 }).await.value
                                    + 100;
                            }
                            key
                        };
                        match next() % 8 {
                            0 => drop(group.spawn(key, work)),
                            1 => {
                                group.forget(&key);
                                group.call(key, work).await;
                            }
                            2 => {
                                group.forget_unshared(&key);
                                drop(group.call(key, work));
                            }
                            3 => {
                                let mut call = group.call(key, work);
                                let _ = poll_once(&mut call).await;
                                yield_now().await;
                            }
                            _ => {
                                group.call(key, work).await;
                            }
                        }
                    }
                })
            });
            for task in join_all(tasks.collect::<Vec<_>>()).await {
                task.expect("nobody panics");
            }
            while !group.is_empty() {
                yield_now().await;
            }
        });
    }
    runtime.block_on(async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            yield_now().await;
        }
    });
}
