//! An observer that takes its time slows down the call, or the flight, that it is told of, and no other.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{sync::Notify, task::yield_now};
use tower_singleflight::{Event, Group, Limits, Observer};

use crate::stands::{Stand, stand};

/// All kinds of events.
const KINDS: [&str; 10] =
    ["Led", "Joined", "Moved", "Alone", "Landed", "Released", "Answered", "Ended", "Panicked", "Left"];

/// Stands still at an event of a kind.
struct Slow(&'static str, Stand);

impl Observer for Slow {
    fn on(&self, event: &Event<'_>) {
        if format!("{event:?}").split(' ').next() == Some(self.0) {
            self.1.still();
        }
    }
}

/// Makes calls of one key, such that there is an event of each kind.
async fn live(group: Group<u32, u32>) {
    let gate = Arc::new(Notify::new());
    let opens = Arc::clone(&gate);
    let leader = group.call(0, move || async move {
        gate.notified().await;
        1
    });
    let released = group.call(0, move || async move {
        opens.notify_one();
        2
    });
    let alone = group.call(0, || async { 3 });
    assert_eq!((alone.await.value, released.await.value, leader.await.value), (3, 2, 1));
    let panics = group.call(0, || async { panic!("on purpose") });
    assert!(AssertUnwindSafe(panics).catch_unwind().await.is_err());
    drop(group.call(0, || async { 4 }));
}

/// Makes calls of many other keys, so that each part of the group is asked.
async fn live_elsewhere(group: Group<u32, u32>) {
    for key in 1..200 {
        let call = || {
            group.call(key, move || async move {
                yield_now().await;
                key
            })
        };
        let (a, b) = tokio::join!(call(), call());
        assert_eq!((a.value, b.value), (key, key));
    }
    assert!(!group.forget(&1));
    assert_eq!(group.stats().observers_off, 0);
}

#[test]
fn an_observer_that_stands_still_at_an_event_of_one_call_holds_up_no_call_of_another_key() {
    for kind in KINDS {
        let (stand, beside) = stand();
        let limits = Limits::new().max_followers(1).max_wait(Duration::from_millis(1));
        let group = Group::with_limits(limits).observed(Slow(kind, stand));
        let [held, others] = [(); 2].map(|()| group.clone());
        beside.run(kind, move || live(held), move || live_elsewhere(others));
        assert!(group.is_empty());
    }
}
