//! Attacks on the group and the layer: panics in odd places, circles by odd ways, callers who come and go at odd times.

mod work;

use std::{
    future::poll_fn,
    mem::take,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::{advance, timeout};
use tower_singleflight::{Group, Limits, OnAbandon, Outcome, Reason, Role};

use self::work::{never, settle};

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
