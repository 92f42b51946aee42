//! What an observer is told where user code panics, or a flight's task dies as it starts.

use std::{
    future::pending,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
};

use tokio::runtime::Builder;
use tokio_test::{assert_pending, task};
use tower_singleflight::{Event, Group, Limits, Observer, OnAbandon};

use crate::recorder::Recorder;
use crate::work::{Work, never, settle};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_keeps_no_observer_from_the_end_of_its_flight() {
    let recorder = Arc::new(Recorder::default());
    let group = Group::new().observed(Arc::clone(&recorder));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", never));
    let waker = Waker::from(Arc::new(Panics));
    let polled = follower.enter(|_, follower| follower.poll(&mut Context::from_waker(&waker)));
    assert_pending!(polled);
    work.gate.notify_one();
    settle().await;
    assert_eq!((leader.await.value, follower.await.value), (1, 1));
    recorder.assert_told(&[
        "led 0",
        "joined 0 at 0 ms, 2 callers",
        "moved 0",
        "landed 0 after 0 ms, 2 callers, shared",
        "answered Leader after 0 ms, 2 callers",
        "answered Follower after 0 ms, 2 callers",
    ]);
    assert!(group.is_empty());
}

#[test]
fn an_observer_is_told_that_a_flight_has_begun_before_its_task_dies_on_a_dead_runtime() {
    let recorder = Arc::new(Recorder::default());
    let runtime = Builder::new_current_thread().build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _entered = handle.enter();
    let told = || {
        let events = std::mem::take(&mut *recorder.events.lock().unwrap());
        events.iter().map(|event| event.split([':', ' ']).next().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let group: Group<_, u32> = Group::new().observed(Arc::clone(&recorder));
    drop(group.spawn("key", never));
    assert_eq!(told(), ["led", "ended", "left"]);
    drop([(); 2].map(|()| group.call("key", never)));
    assert_eq!(told(), ["led", "joined", "moved", "ended", "left", "left"]);
    assert!(group.is_empty());

    let finish = Limits::new().on_abandon(OnAbandon::Finish);
    let group: Group<_, u32> = Group::with_limits(finish).observed(Arc::clone(&recorder));
    let mut leader = task::spawn(group.call("key", pending));
    assert_pending!(leader.poll());
    drop(leader);
    assert_eq!(told(), ["led", "moved", "ended", "left"]);
    assert!(group.is_empty());
}

/// Whatever was under way when it was added: an end without its beginning would make gauges go below nothing.
#[tokio::test(start_paused = true)]
async fn an_observer_that_is_added_late_is_told_of_what_begins_from_then_on() {
    let (first, late) = (Arc::new(Recorder::default()), Arc::new(Recorder::default()));
    let group: Group<&str, u32> = Group::new().observed(Arc::clone(&first));
    let work = Work::default();
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    let group = group.observed(Arc::clone(&late));
    let follower = group.call("key", never);
    late.assert_told(&["joined 0 at 0 ms, 2 callers", "moved 0"]);
    let left = group.call("other", never);
    late.assert_told(&["led 1"]);
    drop(left);
    late.assert_told(&["ended 1 after 0 ms: abandoned", "left after 0 ms"]);
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert_eq!(follower.await.value, 1);
    late.assert_told(&["answered Follower after 0 ms, 2 callers"]);
    assert!(group.is_empty());
}

/// All of them are equal; some panic when they are dropped.
#[derive(Clone)]
struct Key {
    panics: bool,
}

impl PartialEq for Key {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Drop for Key {
    fn drop(&mut self) {
        assert!(!self.panics, "a key panics on purpose");
    }
}

/// Of those who left, whether they followed.
#[derive(Default)]
struct Leavers(Mutex<Vec<bool>>);

impl Observer for Leavers {
    fn on(&self, event: &Event<'_>) {
        if let Event::Left { follower, .. } = event {
            self.0.lock().unwrap().push(*follower);
        }
    }
}

/// Otherwise a gauge of those who wait stays one too high for ever.
#[tokio::test]
async fn a_follower_whose_key_panics_when_it_is_dropped_leaves_as_a_follower() {
    let leavers = Arc::new(Leavers::default());
    let group = Group::new().observed(Arc::clone(&leavers));
    let leader = group.call(Key { panics: false }, never);
    let joins = AssertUnwindSafe(|| group.call(Key { panics: true }, never));
    assert!(catch_unwind(joins).is_err());
    assert_eq!(*leavers.0.lock().unwrap(), [true]);
    drop(leader);
    assert_eq!(*leavers.0.lock().unwrap(), [true, false]);
    assert!(group.is_empty());
}

/// As with calls that are only tried: who is told of an end has been told of its beginning.
#[tokio::test]
async fn of_a_call_whose_key_panics_before_it_is_on_a_flight_nothing_is_told() {
    #[derive(Clone)]
    struct Key {
        hashes: bool,
    }
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _: &mut H) {
            assert!(self.hashes, "a key that cannot be hashed");
        }
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            panic!("keys that cannot be compared")
        }
    }
    impl Eq for Key {}
    let recorder = Arc::new(Recorder::default());
    let group = Group::new().observed(Arc::clone(&recorder));
    let leader = group.call(Key { hashes: true }, never);
    recorder.assert_told(&["led 0"]);
    for hashes in [false, true] {
        let joins = [
            catch_unwind(AssertUnwindSafe(|| drop(group.call(Key { hashes }, never)))),
            catch_unwind(AssertUnwindSafe(|| drop(group.call_fresh(Key { hashes }, never)))),
            catch_unwind(AssertUnwindSafe(|| drop(group.spawn(Key { hashes }, never)))),
            catch_unwind(AssertUnwindSafe(|| drop(group.try_call(Key { hashes }, never)))),
        ];
        assert!(joins.iter().all(Result::is_err));
        recorder.assert_told(&[]);
    }
    drop(leader);
    let stats = group.stats();
    assert_eq!((stats.led, stats.followed, stats.alone, stats.in_flight), (1, 0, 0, 0));
    assert!(group.is_empty());
}
