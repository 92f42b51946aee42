//! Go's tests of `x/sync/singleflight` and of its internal ancestor, written anew: their names stand above ours.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
};

use futures_util::{FutureExt, future::join_all};
use tokio::task::JoinSet;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, Reason, Role};

use crate::work::{Work, never, settle};

/// `TestPanicErrorUnwrap`, both cases.
#[tokio::test]
async fn a_lone_caller_gets_the_panics_own_payload() {
    let group: Group<&str, ()> = Group::new();
    let call = group.call("key", || async { panic_any(io::Error::other("typed")) });
    let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
    assert_eq!(payload.downcast_ref::<io::Error>().unwrap().to_string(), "typed");
    let call = group.call("key", || async { panic!("plain") });
    let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"plain"));
    assert!(group.is_empty());
}

/// `TestDo`.
#[tokio::test]
async fn a_call_gets_the_value_of_its_work() {
    let group = Group::new();
    assert_eq!(group.call("key", || async { "bar" }).await.value, "bar");
    assert!(group.is_empty());
}

/// `TestDoErr`.
#[tokio::test]
async fn an_error_is_a_value_like_any_other() {
    let group: Group<&str, Result<(), &str>> = Group::new();
    assert_eq!(group.call("key", || async { Err("some error") }).await.value, Err("some error"));
    assert!(group.is_empty());
}

/// `TestDoDupSuppress`.
#[tokio::test]
async fn ten_callers_are_one_run() {
    let (group, work) = (Group::new(), Work::default());
    let calls: Vec<_> = (0..10).map(|_| group.call("key", work.run(7))).collect();
    assert_eq!(group.callers("key"), 10);
    work.gate.notify_one();
    assert!(join_all(calls).await.iter().all(|outcome| outcome.value == 7 && outcome.callers == 10));
    assert_eq!(work.starts(), 1);
    assert!(group.is_empty());
}

/// `TestForget` (golang/go#31420). Invariant 4.
#[tokio::test]
async fn the_end_of_a_forgotten_flight_does_not_evict_the_one_after_it() {
    let (group, one, two) = (Group::new(), Work::default(), Work::default());
    let mut first = task::spawn(group.call("key", one.run(1)));
    assert_pending!(first.poll());
    assert!(group.forget("key"));
    let mut second = task::spawn(group.call("key", two.run(2)));
    assert_pending!(second.poll());
    one.gate.notify_one();
    assert_eq!(first.await.value, 1);
    let third = group.call("key", never);
    two.gate.notify_one();
    assert_eq!((second.await.value, third.await.value), (2, 2));
    assert!(group.is_empty());
}

/// `TestDoChan`.
#[tokio::test]
async fn a_spawned_call_gets_the_value_of_its_work() {
    let group = Group::new();
    assert_eq!(group.spawn("key", || async { "bar" }).await.value, "bar");
    assert!(group.is_empty());
}

/// `TestPanicDo` (golang/go#41133). Invariant 8.
#[tokio::test]
async fn five_callers_of_work_that_panics_all_see_it() {
    let group: Group<&str, u32> = Group::new();
    let calls = (0..5).map(|_| AssertUnwindSafe(group.call("key", || async { panic!("invalid") })).catch_unwind());
    for outcome in join_all(calls).await {
        let payload = outcome.unwrap_err();
        let text =
            payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|text| &**text));
        assert_eq!(text, Some("invalid"));
    }
    assert!(group.is_empty());
}

/// `TestGoexitDo`: work that ends without a value, here with the runtime of its task. Invariant 8.
#[test]
fn five_callers_of_work_that_ends_without_a_value_are_all_answered() {
    let group: Group<&str, u32> = Group::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut calls: Vec<_> = runtime.block_on(async {
        let calls = (0..5).map(|own| {
            group.call("key", move || {
                let mut polled = false;
                std::future::poll_fn(move |cx| {
                    if std::mem::replace(&mut polled, true) {
                        return std::task::Poll::Ready(own);
                    }
                    cx.waker().wake_by_ref();
                    std::task::Poll::Pending
                })
            })
        });
        calls.map(task::spawn).collect()
    });
    drop(runtime);
    assert!(group.is_empty());
    for (own, call) in (0..).zip(&mut calls) {
        assert_pending!(call.poll());
        let outcome = assert_ready!(call.poll());
        let role = if own == 0 { Role::Leader } else { Role::Alone(Reason::Lost) };
        assert_eq!((outcome.value, outcome.role), (own, role));
    }
}

/// `TestPanicDoChan`: Go's process dies of it; here it is raised in whoever waits.
#[tokio::test]
async fn what_a_spawn_runs_alone_starts_at_once_and_goes_on_without_its_caller() {
    let (group, work) = (Group::with_limits(Limits::new().max_flights(0)), Work::default());
    let call = group.spawn("key", work.run(1));
    settle().await;
    assert_eq!(work.starts(), 1, "nobody has polled the call");
    drop(call);
    settle().await;
    assert_eq!(work.alive(), 1);
    work.gate.notify_one();
    settle().await;
    assert_eq!(work.alive(), 0);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_panic_of_spawned_work_is_raised_in_its_caller() {
    let group: Group<&str, u32> = Group::new();
    let call = group.spawn("key", || async { panic!("from a task") });
    settle().await;
    assert!(group.is_empty());
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
}

/// `TestPanicDoSharedByDoChan`.
#[tokio::test]
async fn a_panic_is_shared_by_a_call_and_a_spawned_one() {
    let (group, work) = (Group::new(), Work::default());
    let gate = work.gate.clone();
    let call = group.call("key", move || async move {
        gate.notified().await;
        panic!("shared")
    });
    let spawned = group.spawn("key", never);
    work.gate.notify_one();
    assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    assert!(AssertUnwindSafe(spawned).catch_unwind().await.is_err());
    assert!(group.is_empty());
}

/// `ExampleGroup`.
#[tokio::test]
async fn both_of_two_spawned_calls_know_that_the_value_was_shared() {
    let (group, work) = (Group::new(), Work::default());
    let calls = [group.spawn("key", work.run(1)), group.spawn("key", work.run(2))];
    work.gate.notify_one();
    for outcome in join_all(calls).await {
        assert!(outcome.shared());
        assert_eq!(outcome.value, 1);
    }
    assert!(group.is_empty());
}

/// `TestForgetUnshared`.
#[tokio::test]
async fn a_flight_that_ends_does_not_unlist_the_shared_one_after_it() {
    let (group, one, two) = (Group::new(), Work::default(), Work::default());
    let mut first = task::spawn(group.call("key", one.run(1)));
    assert_pending!(first.poll());
    assert!(group.forget_unshared("key"));
    let mut second = task::spawn(group.call("key", two.run(2)));
    assert_pending!(second.poll());
    let third = group.spawn("key", never);
    assert!(!group.forget_unshared("key"));
    one.gate.notify_one();
    assert_eq!(first.await.value, 1);
    assert!(!group.forget_unshared("key"));
    two.gate.notify_one();
    assert_eq!((second.await.value, third.await.value), (2, 2));
    assert!(group.forget_unshared("key"));
    assert!(group.is_empty());
}

/// `TestDoAndForgetUnsharedRace` (golang/go#55343). Invariant 3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_outcome_finds_the_key_gone() {
    let (group, work) = (Group::new(), Work::default());
    let mut tasks = JoinSet::new();
    for _ in 0..1000 {
        let call = group.call("key", work.run(7));
        let group = group.clone();
        tasks.spawn(async move {
            call.await;
            group.forget_unshared("key")
        });
    }
    work.gate.notify_one();
    while let Some(forgotten) = tasks.join_next().await {
        assert!(forgotten.unwrap());
    }
    assert_eq!(work.starts(), 1);
    assert!(group.is_empty());
}

/// net's `TestLookupContextCancel` (golang/go#22724): the first caller is cancelled.
#[tokio::test]
async fn a_cancelled_first_caller_does_not_cancel_the_second() {
    let (group, work) = (Group::new(), Work::default());
    let mut first = task::spawn(group.call("key", work.run(7)));
    assert_pending!(first.poll());
    let second = group.call("key", never);
    drop(first);
    settle().await;
    assert_eq!(work.alive(), 1);
    work.gate.notify_one();
    assert_eq!(second.await.value, 7);
    assert!(group.is_empty());
}

/// net's `TestLookupHostCancel`.
#[tokio::test]
async fn six_hundred_cancelled_calls_leave_nothing() {
    let (group, work) = (Group::new(), Work::default());
    for _ in 0..600 {
        let mut call = task::spawn(group.call("key", work.run(7)));
        assert_pending!(call.poll());
    }
    assert_eq!((work.starts(), work.alive()), (600, 0));
    assert!(group.is_empty());
    assert_eq!(group.call("key", || async { 8 }).await.value, 8);
}

/// net's `TestConcurrentPreferGoResolversDial` (golang/go#22908).
#[tokio::test]
async fn groups_are_namespaces() {
    let (one, two, work) = (Group::new(), Group::new(), Work::default());
    let calls = [one.call("key", work.run(1)), two.call("key", work.run(2))];
    let mut calls = calls.map(task::spawn);
    calls.iter_mut().for_each(|call| assert_pending!(call.poll()));
    assert_eq!(work.starts(), 2);
    drop(calls);
    assert!(one.is_empty() && two.is_empty());
}

/// net's `TestLookupIPAddrConcurrentCallsForNetworks` (golang/go#30521).
#[tokio::test]
async fn five_calls_of_three_keys_are_three_runs() {
    let (group, works) = (Group::new(), [Work::default(), Work::default(), Work::default()]);
    let keys = [0, 1, 2, 0, 1];
    let calls: Vec<_> = keys.iter().map(|key| group.call(*key, works[*key].run(*key as u32))).collect();
    works.iter().for_each(|work| work.gate.notify_one());
    let values: Vec<_> = join_all(calls).await.into_iter().map(|outcome| outcome.value).collect();
    assert_eq!(values, [0, 1, 2, 0, 1]);
    assert!(works.iter().all(|work| work.starts() == 1));
    assert!(group.is_empty());
}

/// What Go has no test for: a panic in the key's `Hash` is its caller's.
#[tokio::test]
async fn a_key_that_panics_poisons_nothing() {
    #[derive(Clone, PartialEq, Eq)]
    struct Key(bool);
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {
            assert!(self.0, "this key cannot be hashed");
        }
    }
    let group: Group<Key, u32> = Group::new();
    assert!(catch_unwind(AssertUnwindSafe(|| group.call(Key(false), never))).is_err());
    assert_eq!(group.call(Key(true), || async { 7 }).await.value, 7);
    assert!(group.is_empty());
}
