//! What an observer is told of each life that a flight can have.

use std::{
    future::pending,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{runtime::Builder, task::yield_now, time::advance};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{Event, Group, Limits, Observer, OnAbandon, SingleflightLayer};

use crate::recorder::{Recorder, recorded};
use crate::work::{Work, never, settle};

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_flight_that_nobody_joins() {
    let (group, recorder) = recorded(Limits::new());
    let work = Work::default();
    let mut call = task::spawn(group.call("key", work.run(1)));
    recorder.assert_told(&["led 0"]);
    assert_pending!(call.poll());
    advance(5 * MS).await;
    work.gate.notify_one();
    assert_eq!(call.await.value, 1);
    recorder.assert_told(&["landed 0 after 5 ms, 1 callers, alone", "answered Leader after 5 ms, 1 callers"]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_is_shared() {
    let (group, recorder) = recorded(Limits::new());
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    advance(5 * MS).await;
    let follower = group.call("key", never);
    recorder.assert_told(&["led 0", "joined 0 at 5 ms, 2 callers", "moved 0"]);
    advance(5 * MS).await;
    work.gate.notify_one();
    assert_eq!(leader.await.value, 1);
    assert_eq!(follower.await.value, 1);
    recorder.assert_told(&[
        "landed 0 after 10 ms, 2 callers, shared",
        "answered Leader after 10 ms, 2 callers",
        "answered Follower after 5 ms, 2 callers",
    ]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn callers_that_leave_and_the_flight_that_all_have_left() {
    let (group, recorder) = recorded::<_, u32>(Limits::new());
    let (leader, follower) = (group.call("key", pending), group.call("key", never));
    drop(leader);
    recorder.assert_told(&["led 0", "joined 0 at 0 ms, 2 callers", "moved 0", "left after 0 ms"]);
    advance(7 * MS).await;
    drop(follower);
    recorder.assert_told(&["ended 0 after 7 ms: abandoned", "left after 7 ms"]);
    assert!(group.is_empty());
}

/// Notes of calls without an outcome whether they followed.
#[derive(Default)]
struct Ends(Mutex<Vec<(&'static str, bool)>>);

impl Observer for Ends {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Left { follower, .. } => self.0.lock().unwrap().push(("left", *follower)),
            Event::Panicked { follower, .. } => self.0.lock().unwrap().push(("panicked", *follower)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn of_a_call_without_an_outcome_it_is_told_whether_it_followed() {
    let ends = Arc::new(Ends::default());
    let group = Group::new().observed(Arc::clone(&ends));
    let (leader, follower) = (group.call("key", pending::<u32>), group.call("key", never));
    drop(follower);
    drop(leader);
    assert_eq!(std::mem::take(&mut *ends.0.lock().unwrap()), [("left", true), ("left", false)]);

    let (leader, follower) = (group.call("key", || async { panic!("of the work") }), group.call("key", never));
    for call in [leader.boxed(), follower.boxed()] {
        AssertUnwindSafe(call).catch_unwind().await.expect_err("the work panics");
    }
    assert_eq!(*ends.0.lock().unwrap(), [("panicked", false), ("panicked", true)]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_goes_on_without_callers_is_moved_and_then_abandoned() {
    let (group, recorder) = recorded::<_, u32>(Limits::new().on_abandon(OnAbandon::CancelAfter(10 * MS)));
    let work = Work::default();
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    drop(leader);
    recorder.assert_told(&["led 0", "moved 0", "left after 0 ms"]);
    settle().await;
    advance(11 * MS).await;
    settle().await;
    recorder.assert_told(&["ended 0 after 11 ms: abandoned"]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_finishes_without_callers_lands_for_nobody() {
    let (group, recorder) = recorded::<_, u32>(Limits::new());
    drop(group.spawn("key", || async { 1 }));
    settle().await;
    recorder.assert_told(&["led 0", "left after 0 ms", "landed 0 after 0 ms, 0 callers, alone"]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn work_that_panics() {
    let (group, recorder) = recorded::<_, u32>(Limits::new());
    let alone = group.call("key", || async { panic!("no luck") });
    assert!(AssertUnwindSafe(alone).catch_unwind().await.is_err());
    recorder.assert_told(&["led 0", "ended 0 after 0 ms: panicked", "panicked after 0 ms"]);

    let calls = [(); 2].map(|()| group.call("key", || async { panic!("no luck") }));
    for call in calls {
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
    }
    recorder.assert_told(&[
        "led 1",
        "joined 1 at 0 ms, 2 callers",
        "moved 1",
        "ended 1 after 0 ms: panicked",
        "panicked after 0 ms",
        "panicked after 0 ms",
    ]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_the_leaders_alone() {
    let recorder = Arc::new(Recorder::default());
    let layer = SingleflightLayer::new(|id: &u32| Some(*id)).share_if(|_| false).observe(Arc::clone(&recorder));
    let mut service = layer.layer(service_fn(async |id: u32| {
        yield_now().await;
        Ok::<_, String>(id)
    }));
    let (leader, follower) = (service.call(7), service.call(7));
    assert_eq!((leader.await, follower.await), (Ok(7), Ok(7)));
    recorder.assert_told(&[
        "led 0",
        "joined 0 at 0 ms, 2 callers",
        "moved 0",
        "ended 0 after 0 ms: not_shareable",
        "answered Leader after 0 ms, 1 callers",
        "released: NotShareable",
        "answered Alone(NotShareable) after 0 ms, 1 callers",
    ]);
    // Nobody is refused what nobody else asked for.
    assert_eq!(service.call(8).await, Ok(8));
    recorder.assert_told(&["led 1", "landed 1 after 0 ms, 1 callers, alone", "answered Leader after 0 ms, 1 callers"]);
    assert!(service.group().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_waits_too_long_and_one_that_finds_no_room() {
    let (group, recorder) = recorded(Limits::new().max_wait(10 * MS).max_followers(1));
    let work = Work::default();
    let leader = group.call("key", work.run(1));
    let mut follower = task::spawn(group.call("key", || async { 2 }));
    assert_eq!(group.call("key", || async { 3 }).await.value, 3);
    assert_pending!(follower.poll());
    advance(11 * MS).await;
    assert_eq!(follower.await.value, 2);
    drop(leader);
    recorder.assert_told(&[
        "led 0",
        "joined 0 at 0 ms, 2 callers",
        "moved 0",
        "alone: Full",
        "answered Alone(Full) after 0 ms, 1 callers",
        "released: WaitedTooLong",
        "answered Alone(WaitedTooLong) after 11 ms, 1 callers",
        "ended 0 after 11 ms: abandoned",
        "left after 11 ms",
    ]);
    assert!(group.is_empty());
}

#[test]
fn a_flight_whose_runtime_is_shut_down() {
    let (group, recorder) = recorded(Limits::new());
    let work = Work::default();
    let runtime = Builder::new_current_thread().build().unwrap();
    let [leader, follower] =
        runtime.block_on(async { [group.call("key", work.run(1)), group.call("key", work.run(2))] });
    drop(runtime);
    let runtime = Builder::new_current_thread().build().unwrap();
    work.gate.notify_one();
    assert_eq!(runtime.block_on(leader).value, 1);
    work.gate.notify_one();
    assert_eq!(runtime.block_on(follower).value, 2);
    recorder.assert_told_untimed(&[
        "led 0",
        "joined 0, 2 callers",
        "moved 0",
        "ended 0",
        "answered Leader",
        "released: Lost",
        "answered Alone(Lost)",
    ]);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_key_and_calls_of_the_works_own_key() {
    let recorder = Arc::new(Recorder::default());
    let layer = SingleflightLayer::new(|_: &u32| None::<u32>).observe(Arc::clone(&recorder));
    let mut service = layer.layer(service_fn(async |id: u32| Ok::<_, String>(id)));
    assert_eq!(service.call(7).await, Ok(7));
    recorder.assert_told(&["alone: NoKey", "answered Alone(NoKey) after 0 ms, 1 callers"]);

    let (group, recorder) = recorded(Limits::new());
    let again = group.clone();
    assert_eq!(group.call(7, move || async move { again.call(7, || async { 1 }).await.value }).await.value, 1);
    recorder.assert_told(&[
        "led 0",
        "alone: Reentrant",
        "answered Alone(Reentrant) after 0 ms, 1 callers",
        "landed 0 after 0 ms, 1 callers, alone",
        "answered Leader after 0 ms, 1 callers",
    ]);
    assert!(group.is_empty());
}

#[tokio::test]
async fn an_observer_that_panics_fails_no_caller_and_is_told_nothing_more() {
    struct Panics(AtomicUsize);
    impl Observer for Panics {
        fn on(&self, _: &Event<'_>) {
            self.0.fetch_add(1, SeqCst);
            panic!("a bug of the observer");
        }
    }
    let (panics, recorder) = (Arc::new(Panics(AtomicUsize::new(0))), Arc::new(Recorder::default()));
    let group = Group::new().observed(Arc::clone(&panics)).observed(Arc::clone(&recorder));
    assert_eq!(group.call("key", || async { 1 }).await.value, 1);
    assert_eq!(panics.0.load(SeqCst), 1);
    assert_eq!(recorder.events.lock().unwrap().len(), 3, "the others are told all");
    assert_eq!(group.stats().observers_off, 1);
    assert!(group.is_empty());
}

#[tokio::test]
async fn an_observer_may_ask_the_group_and_call_it() {
    struct Curious(Mutex<Option<Group<u32, u32>>>, AtomicUsize);
    impl Observer for Curious {
        fn on(&self, event: &Event<'_>) {
            let group = self.0.lock().unwrap().clone().unwrap();
            if let Event::Joined { .. } = event {
                assert_eq!(group.callers(&7), 2);
                drop(group.call(8, || async { 1 }));
            }
            self.1.fetch_add(group.stats().in_flight, SeqCst);
        }
    }
    let curious = Arc::new(Curious(Mutex::default(), AtomicUsize::new(0)));
    let group = Group::new().observed(Arc::clone(&curious));
    *curious.0.lock().unwrap() = Some(group.clone());
    let (a, b) = (group.call(7, || async { 1 }), group.call(7, || async { 2 }));
    assert_eq!((a.await.value, b.await.value), (1, 1));
    assert_eq!(group.stats().observers_off, 0);
    assert!(curious.1.load(SeqCst) > 0);
    *curious.0.lock().unwrap() = None;
    assert!(group.is_empty());
}

#[tokio::test]
async fn two_services_of_a_layer_with_one_group_tell_its_observer_once() {
    let recorder = Arc::new(Recorder::default());
    let group = Group::new();
    let layer = SingleflightLayer::new(|id: &u32| Some(*id)).group(group.clone()).observe(Arc::clone(&recorder));
    let backend = service_fn(async |id: u32| Ok::<_, String>(id));
    let (mut a, b) = (layer.layer(backend), layer.layer(backend));
    drop((a.call(7), b));
    assert_eq!(recorder.events.lock().unwrap().len(), 3, "led, ended, left");
    assert!(group.is_empty());
}
