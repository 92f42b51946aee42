//! A group at rest holds nothing, whatever callers did before (invariant 12).

#[path = "memory/live.rs"]
mod live;

use futures_util::FutureExt;
use tokio_test::task;
use tower_singleflight::Group;

use self::live::live;

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
