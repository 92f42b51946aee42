//! A group at rest holds nothing, whatever callers did before (invariant 12).

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering::Relaxed},
};

use futures_util::FutureExt;
use tokio_test::task;
use tower_singleflight::Group;

/// Counts live bytes.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: passes everything on to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEYS: u64 = 1_000_000;

/// What a thousandth of a byte per key would be, and the room that each shard keeps for one flight.
const SLACK: isize = 64 * 1024;

/// One test, so that nothing else allocates meanwhile.
#[test]
fn a_million_keys_leave_nothing_behind() {
    let group: Group<u64, u64> = Group::new();
    for key in 0..1_000 {
        group.call(key, || async { 1 }).now_or_never();
    }
    let before = LIVE.load(Relaxed);

    for key in 0..KEYS {
        assert!(group.call(key, move || async move { key }).now_or_never().is_some());
    }
    assert!(LIVE.load(Relaxed) - before < SLACK, "landed one after the other");

    let calls: Vec<_> = (0..KEYS).map(|key| group.call(key, move || async move { key })).collect();
    assert_eq!(group.in_flight(), KEYS as usize);
    for call in calls {
        assert!(call.now_or_never().is_some());
    }
    assert!(LIVE.load(Relaxed) - before < SLACK, "landed after being in flight together");

    let calls: Vec<_> = (0..KEYS).map(|key| group.call(key, std::future::pending::<u64>)).collect();
    drop(calls);
    assert!(LIVE.load(Relaxed) - before < SLACK, "abandoned, never polled");

    for key in 0..KEYS {
        let mut call = task::spawn(group.call(key, std::future::pending::<u64>));
        assert!(call.poll().is_pending());
    }
    assert!(LIVE.load(Relaxed) - before < SLACK, "abandoned, polled once");
    assert!(group.is_empty());
}
