//! A group at rest holds nothing, whatever callers did before (invariant 12); and a fresh caller that waits holds no more than
//! another.

#[path = "memory/live.rs"]
mod live;

use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
    task::{Context, Waker},
};

use futures_util::FutureExt;
use tokio::runtime::Builder;
use tokio_test::task;
use tower_singleflight::Group;

use self::live::live;

const KEYS: u64 = 1_000_000;

/// What a thousandth of a byte per key would be, and the room that each shard keeps for one flight.
const SLACK: isize = 64 * 1024;

/// One test at a time, so that nothing else allocates meanwhile.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_million_keys_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let group: Group<u64, u64> = Group::new();
    for key in 0..1_000 {
        group.call(key, || async { 1 }).now_or_never();
    }
    let before = live();

    for key in 0..KEYS {
        assert!(group.call(key, move || async move { key }).now_or_never().is_some());
    }
    assert!(live() - before < SLACK, "landed one after the other");

    let calls: Vec<_> = (0..KEYS).map(|key| group.call(key, move || async move { key })).collect();
    assert_eq!(group.in_flight(), KEYS as usize);
    for call in calls {
        assert!(call.now_or_never().is_some());
    }
    assert!(live() - before < SLACK, "landed after being in flight together");

    let calls: Vec<_> = (0..KEYS).map(|key| group.call(key, std::future::pending::<u64>)).collect();
    drop(calls);
    assert!(live() - before < SLACK, "abandoned, never polled");

    for key in 0..KEYS {
        let mut call = task::spawn(group.call(key, std::future::pending::<u64>));
        assert!(call.poll().is_pending());
    }
    assert!(live() - before < SLACK, "abandoned, polled once");
    assert!(group.is_empty());
}

const WAITING: usize = 10_000;

/// Returns how many bytes are held for callers that wait, the fresh ones for the next run; without the calls themselves.
fn held_for(fresh: bool) -> isize {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let group: Group<u64, u64> = Group::new();
    let mut running = task::spawn(group.call(7, std::future::pending));
    assert!(running.poll().is_pending());
    let mut calls = Vec::with_capacity(WAITING);
    let add = |calls: &mut Vec<_>| {
        let mut call =
            if fresh { group.call_fresh(7, std::future::pending) } else { group.call(7, std::future::pending) };
        assert!(pin!(&mut call).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        calls.push(call);
    };
    // The first of them moves the flight, and makes the one that waits.
    add(&mut calls);
    let before = live();
    (1..WAITING).for_each(|_| add(&mut calls));
    let held = live() - before;
    assert_eq!(if fresh { group.waiting(&7) } else { group.callers(&7) - 1 }, WAITING);
    drop((calls, running));
    held
}

#[test]
fn a_fresh_caller_that_waits_holds_no_byte_more_than_one_that_follows() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let [joined, fresh] = [false, true].map(held_for);
    // What is allocated beside the callers does not grow with them.
    assert!((fresh - joined).abs() < WAITING as isize / 2, "{fresh} bytes, and not {joined}, for {WAITING} callers");
}
