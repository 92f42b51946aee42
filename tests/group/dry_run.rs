//! The dry run of the generic layer: each call goes alone, and what would have been shared is compared.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    hash::{Hash, Hasher},
    panic::panic_any,
    pin::Pin,
    time::Duration,
};

use futures_util::FutureExt;
use tokio_test::task::spawn;
use tower::{
    Layer, Service, ServiceExt,
    limit::ConcurrencyLimit,
    load_shed::{LoadShed, error::Overloaded},
};
use tower_singleflight::{Group, Limits, SingleflightLayer};
use tower_test::mock;

type Outcome = Result<u32, Infallible>;
type KeyFn = fn(&(u8, u32)) -> Option<u8>;

/// Whether the leader's outcome would have done for the follower.
fn same(leader: &Outcome, follower: &Outcome) -> bool {
    leader == follower
}

/// Answers each call with what it asks for, once it is polled a second time.
fn backend() -> impl Service<(u8, u32), Response = u32, Error = Infallible, Future: Send> + Clone + Send + 'static {
    tower::service_fn(|(_, value): (u8, u32)| async move {
        tokio::task::yield_now().await;
        Ok(value)
    })
}

fn key(request: &(u8, u32)) -> Option<u8> {
    (request.0 > 0).then_some(request.0)
}

#[tokio::test]
async fn every_call_goes_alone_and_outcomes_are_compared_whoever_comes_first() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
        let layer = SingleflightLayer::new(key).dry_run(same);
        let mut service = layer.layer(backend());
        let mut calls = [(7, 1), (7, 1), (7, 2), (8, 3)].map(|request| Some(spawn(service.call(request))));
        calls.iter_mut().flatten().for_each(|call| assert!(call.poll().is_pending()));
        assert!(service.group().is_empty(), "there is no flight");
        for number in order {
            let expected = [1, 1, 2, 3][number];
            assert_eq!(calls[number].take().unwrap().await, Ok(expected));
        }
        let stats = layer.dry_run_stats();
        assert_eq!((stats.calls, stats.led, stats.followed), (4, 2, 2));
        assert_eq!((stats.saved, stats.same, stats.different), (2, 1, 1));
        assert_eq!(service.call((0, 1)).await, Ok(1));
        assert_eq!(layer.dry_run_stats().alone, 1);
    }
}

/// Back-pressure reaches those who stand above, as it does without the layer.
#[tokio::test]
async fn who_stands_above_sees_whether_the_service_is_ready() {
    let limited = ConcurrencyLimit::new(backend(), 1);
    let mut service = LoadShed::new(SingleflightLayer::new(key).dry_run(same).layer(limited));
    service.ready().await.unwrap();
    let first = service.call((7, 1));
    let turned_away = service.ready().await.unwrap().call((8, 1)).await;
    assert!(turned_away.is_err_and(|error| error.is::<Overloaded>()));
    assert_eq!(first.await.unwrap(), 1);
    assert_eq!(service.ready().await.unwrap().call((8, 1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_flight_that_has_landed_is_joined_no_more() {
    let layer = SingleflightLayer::new(key).dry_run(same);
    let mut service = layer.layer(backend());
    for _ in 0..3 {
        assert_eq!(service.call((7, 1)).await, Ok(1));
    }
    let stats = layer.dry_run_stats();
    assert_eq!((stats.led, stats.saved), (3, 0));
}

#[tokio::test]
async fn services_share_flights_where_they_would_share_a_group() {
    for (group, followed) in [(Some(Group::new()), 1), (None, 0)] {
        let layer = SingleflightLayer::new(key).dry_run(same);
        let layer = if let Some(group) = group { layer.group(group) } else { layer };
        let (mut one, mut other) = (layer.layer(backend()), layer.layer(backend()));
        let calls = (one.call((7, 1)), other.call((7, 1)));
        assert_eq!(layer.dry_run_stats().followed, followed);
        assert_eq!((calls.0.await, calls.1.await), (Ok(1), Ok(1)));
        assert_eq!(layer.dry_run_stats().saved, followed);
    }
}

#[tokio::test]
async fn who_leaves_and_whose_outcome_is_not_shared_is_saved_nothing() {
    let layer = SingleflightLayer::new(key).share_if(|outcome: &Outcome| *outcome != Ok(13)).dry_run(same);
    let mut service = layer.layer(backend());
    let (leader, follower) = (service.call((7, 13)), service.call((7, 13)));
    assert_eq!((leader.await, follower.await), (Ok(13), Ok(13)));
    assert_eq!((layer.dry_run_stats().released, layer.dry_run_stats().saved), (1, 0));

    let (leader, follower, other) = (service.call((7, 1)), service.call((7, 1)), service.call((7, 1)));
    drop(follower);
    drop(leader);
    assert_eq!(other.await, Ok(1));
    let stats = layer.dry_run_stats();
    assert_eq!((stats.left, stats.leader_left, stats.saved), (1, 1, 0));
}

#[tokio::test]
async fn functions_that_panic_fail_no_call() {
    let asks = |layer: SingleflightLayer<KeyFn, u8, Outcome>| async move {
        let mut service = layer.layer(backend());
        let calls = (service.call((7, 1)), service.call((7, 1)));
        assert_eq!((calls.0.await, calls.1.await), (Ok(1), Ok(1)));
        layer.dry_run_stats()
    };
    let plain: KeyFn = key;
    let stats = asks(SingleflightLayer::new(plain).dry_run(|_, _| panic!("it panics"))).await;
    assert_eq!((stats.saved, stats.same, stats.different, stats.panicked), (1, 0, 0, 1));
    let stats = asks(SingleflightLayer::new(plain).share_if(|_| panic!("it panics")).dry_run(same)).await;
    assert_eq!((stats.saved, stats.released, stats.panicked), (0, 1, 1));
    let odd: KeyFn = |_| panic!("it panics");
    let stats = asks(SingleflightLayer::new(odd).dry_run(same)).await;
    assert_eq!((stats.calls, stats.led, stats.panicked), (2, 0, 2));
    let stats = asks(SingleflightLayer::new(plain).dry_run(|_, _| panic_any(Bomb))).await;
    assert_eq!(stats.panicked, 1, "what a panic carries may panic in its turn");
}

/// Panics as it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test]
async fn an_error_of_the_leader_would_have_been_shared() {
    let (service, mut handle) = mock::pair::<(u8, u32), u32>();
    let service = tower::util::MapErr::new(service, tower_singleflight::SharedError::new);
    let layer = SingleflightLayer::new(key).dry_run(|_: &Result<u32, _>, _| true);
    let mut service = layer.layer(service);
    let (mut leader, mut follower) = (spawn(service.call((7, 1))), spawn(service.call((7, 1))));
    assert!(leader.poll().is_pending() && follower.poll().is_pending());
    let (_, leaders) = handle.next_request().await.unwrap();
    let (_, followers) = handle.next_request().await.unwrap();
    leaders.send_error("down");
    followers.send_response(1);
    assert!(leader.await.is_err());
    assert_eq!(follower.await.unwrap(), 1);
    assert_eq!(layer.dry_run_stats().saved, 1, "an error is shared as any outcome is");
}

/// A key that calls the service as it is dropped finds it unlocked, as it does the group's.
#[tokio::test]
async fn a_followers_key_is_dropped_outside_the_lock() {
    thread_local!(static CALL: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) });
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Key(u8);
    impl Drop for Key {
        fn drop(&mut self) {
            if let Some(call) = CALL.take() {
                call();
            }
        }
    }
    let layer = SingleflightLayer::new(|request: &(u8, u32)| Some(Key(request.0))).dry_run(same);
    let mut service = layer.layer(backend());
    let first = service.call((7, 1));
    let mut other = service.clone();
    CALL.set(Some(Box::new(move || drop(other.call((8, 1))))));
    let second = service.call((7, 1));
    let stats = layer.dry_run_stats();
    assert_eq!((stats.calls, stats.led, stats.followed), (3, 2, 1));
    assert_eq!((first.await, second.await), (Ok(1), Ok(1)));
}

/// Two panics of drops at a time would end the process: here of what was kept of two followers whose leader leaves.
#[tokio::test]
async fn outcomes_that_panic_as_they_are_dropped_fail_no_call() {
    struct Kept(bool);
    impl Clone for Kept {
        fn clone(&self) -> Self {
            Self(true)
        }
    }
    impl Drop for Kept {
        fn drop(&mut self) {
            assert!(!self.0, "a copy that panics as it is dropped");
        }
    }
    let layer = SingleflightLayer::new(|_: &()| Some(7)).dry_run(|_: &Result<Kept, Infallible>, _| true);
    let mut service = layer.layer(tower::service_fn(|()| async { Ok(Kept(false)) }));
    let leader = service.call(());
    for follower in [service.call(()), service.call(())] {
        assert!(follower.await.is_ok());
    }
    drop(leader);
    let stats = layer.dry_run_stats();
    assert_eq!((stats.led, stats.followed, stats.leader_left, stats.panicked), (1, 2, 2, 2));
}

/// A key is compared once, and one that panics then has not been counted as a flight: there is room for as many as ever.
#[tokio::test]
async fn a_key_that_panics_as_it_is_compared_takes_no_flights_room() {
    thread_local!(static COMPARED: Cell<u32> = const { Cell::new(0) });
    #[derive(Clone, Eq)]
    struct Key(u8);
    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            assert!(COMPARED.replace(COMPARED.get() + 1) < 1, "a key that panics as it is compared again");
            self.0 == other.0
        }
    }
    let layer = SingleflightLayer::new(|request: &(u8, u32)| Some(Key(request.0)));
    let layer = layer.fresh_if(|request: &(u8, u32)| request.1 == 2).limits(Limits::new().max_flights(2));
    let layer = layer.dry_run(same);
    let mut service = layer.layer(backend());
    let mut running = spawn(service.call((7, 1)));
    assert!(running.poll().is_pending());
    let fresh = service.call((7, 2));
    assert_eq!((running.await, fresh.await), (Ok(1), Ok(2)));
    let calls = [service.call((8, 1)), service.call((9, 1)), service.call((10, 1))];
    let stats = layer.dry_run_stats();
    assert_eq!((stats.led, stats.limited, stats.panicked), (4, 1, 0));
    drop(calls);
}

/// It had joined a flight that had landed: nothing was said of what became of it.
#[tokio::test]
async fn a_follower_whose_leader_lands_as_it_joins_would_have_been_saved() {
    type Call = Pin<Box<dyn Future<Output = Outcome>>>;
    thread_local!(static LEADER: RefCell<Option<Call>> = const { RefCell::new(None) });
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Key(u8);
    impl Drop for Key {
        fn drop(&mut self) {
            if let Some(leader) = LEADER.take() {
                assert_eq!(leader.now_or_never(), Some(Ok(1)), "the leader's second poll");
            }
        }
    }
    let layer = SingleflightLayer::new(|request: &(u8, u32)| Some(Key(request.0))).dry_run(same);
    let mut service = layer.layer(backend());
    let mut leader = Box::pin(service.call((7, 1)));
    assert!(futures_util::poll!(&mut leader).is_pending());
    LEADER.set(Some(leader));
    assert_eq!(service.call((7, 1)).await, Ok(1));
    let stats = layer.dry_run_stats();
    assert_eq!((stats.led, stats.followed, stats.saved, stats.same), (1, 1, 1, 1));
}

/// On two threads, with all limits, reloads, callers that leave, and outcomes that are not shared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counts_of_a_melee_add_up() {
    const MICROS: Duration = Duration::from_micros(1);
    let limits = Limits::new().max_followers(3).max_flights(3);
    for limits in [Limits::new(), limits, limits.max_wait(MICROS * 20).join_window(MICROS * 50)] {
        let layer = SingleflightLayer::new(key).fresh_if(|request: &(u8, u32)| request.1 % 3 == 1).limits(limits);
        let layer = layer.share_if(|outcome: &Outcome| !matches!(outcome, Ok(value) if value % 5 == 4));
        let layer = layer.group(Group::with_limits(limits)).dry_run(same);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 1..=4 {
            let mut service = layer.layer(backend());
            tasks.spawn(async move {
                for value in 0..5_000u32 {
                    let value = value.wrapping_mul(2_654_435_761).wrapping_add(number) >> 7;
                    let mut call = service.call((1 + (value % 2) as u8, value));
                    match value % 7 {
                        0 => continue,
                        1 | 2 => drop(futures_util::poll!(&mut call)),
                        _ => assert_eq!(call.await, Ok(value)),
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        let stats = layer.dry_run_stats();
        assert_eq!(stats.calls, stats.led + stats.followed + stats.alone + stats.full + stats.limited, "{stats:?}");
        let ended = stats.saved + stats.released + stats.waited_too_long + stats.left + stats.leader_left;
        assert_eq!((stats.followed, stats.panicked), (ended, 0), "{stats:?}");
        assert!(stats.saved > 0, "{stats:?}");
    }
}
