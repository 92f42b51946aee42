//! Keys that collide, that panic, and where they are dropped.

use std::{
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{Group, Limits, Role};

use crate::work::{Work, never, settle};

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
async fn a_replaced_key_that_panics_as_it_is_dropped_fails_no_caller_and_sticks_no_flight() {
    let group = Group::with_limits(Limits::new().join_window(Duration::from_secs(1)));
    let (calm, touchy, work) = (Arc::default(), Arc::default(), Work::default());
    let key = Touchy("key", calm);
    let mut old = task::spawn(group.call(Touchy("key", Arc::clone(&touchy)), work.run(1)));
    assert_pending!(old.poll());
    advance(Duration::from_secs(2)).await;
    touchy.store(true, SeqCst);
    let call = catch_unwind(AssertUnwindSafe(|| group.call(key.clone(), work.run(2))));
    touchy.store(false, SeqCst);
    let call = call.expect("the key is another caller's");
    assert_eq!((group.callers(&key), group.in_flight()), (1, 1));
    drop(call);
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

#[tokio::test]
async fn keys_whose_hashes_collide_are_never_merged() {
    #[derive(Clone, PartialEq, Eq)]
    struct Collides(u32);
    impl Hash for Collides {
        fn hash<H: Hasher>(&self, state: &mut H) {
            0.hash(state);
        }
    }
    let group = Group::new();
    let work: Vec<_> = (0..50).map(|_| Work::default()).collect();
    let calls: Vec<_> = (0..50_u32).map(|key| group.call(Collides(key), work[key as usize].run(key))).collect();
    assert_eq!(group.in_flight(), 50);
    for (key, (call, work)) in calls.into_iter().zip(&work).enumerate() {
        assert_eq!(group.callers(&Collides(key as u32)), 1);
        work.gate.notify_one();
        assert_eq!(call.await.value, key as u32);
    }
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_key_whose_eq_panics_poisons_nothing() {
    static BAD: AtomicBool = AtomicBool::new(false);
    #[derive(Clone)]
    struct Key;
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            assert!(!BAD.load(SeqCst), "these cannot be compared");
            true
        }
    }
    impl Eq for Key {}
    let (group, work) = (Group::new(), Work::default());
    let call = group.call(Key, work.run(7));
    BAD.store(true, SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| group.call(Key, never))).is_err());
    BAD.store(false, SeqCst);
    assert_eq!(group.callers(&Key), 1);
    work.gate.notify_one();
    assert_eq!(call.await.value, 7);
    assert!(group.is_empty());
}

/// A key that asks the group as it is dropped finds it unlocked. Invariant 6.
#[tokio::test]
async fn keys_are_dropped_outside_the_lock() {
    #[derive(Clone)]
    struct Key(Option<Group<Key, u32>>, Arc<AtomicUsize>);
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    impl PartialEq for Key {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }
    impl Eq for Key {}
    impl Drop for Key {
        fn drop(&mut self) {
            if let Some(group) = &self.0 {
                group.callers(&Key(None, Arc::default()));
                self.1.fetch_add(1, SeqCst);
            }
        }
    }
    let (group, drops) = (Group::new(), Arc::new(AtomicUsize::new(0)));
    let key = || Key(Some(group.clone()), Arc::clone(&drops));
    assert_eq!(group.call(key(), || async { 7 }).await.value, 7);
    drop(group.call(key(), never));
    let call = group.call(key(), || async { 7 });
    assert!(group.forget(&Key(None, Arc::default())));
    drop(group.call(key(), never));
    drop(call);
    assert!(drops.load(SeqCst) >= 4);
    assert!(group.is_empty());
}

/// A key that panics once, when it is dropped and has been told to.
#[derive(Clone, Default)]
struct PanicsOnce(Arc<AtomicBool>);

impl Hash for PanicsOnce {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialEq for PanicsOnce {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for PanicsOnce {}

impl Drop for PanicsOnce {
    fn drop(&mut self) {
        assert!(!self.0.swap(false, SeqCst), "a key that panics as it is dropped");
    }
}

/// Invariant 8.
#[tokio::test]
async fn a_key_that_panics_as_it_is_dropped_keeps_no_caller_asleep() {
    let (group, work, key) = (Group::new(), Work::default(), PanicsOnce::default());
    let leader = group.call(key.clone(), work.run(1));
    let mut follower = task::spawn(group.call(key.clone(), never));
    assert_pending!(follower.poll());
    settle().await;
    key.0.store(true, SeqCst);
    work.gate.notify_one();
    settle().await;
    assert!(!key.0.load(SeqCst), "the flight's key has been dropped");
    assert!(follower.is_woken());
    assert_eq!(assert_ready!(follower.poll()).value, 1);
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}

/// Invariant 4: the leader's flight is gone, and another one may have its place by now.
#[test]
fn a_leader_whose_key_panics_at_the_landing_touches_no_other_flight() {
    let (group, work, key) = (Group::new(), Work::default(), PanicsOnce::default());
    let mut leader = task::spawn(group.call(key.clone(), work.run(1)));
    assert_pending!(leader.poll());
    key.0.store(true, SeqCst);
    work.gate.notify_one();
    assert!(catch_unwind(AssertUnwindSafe(|| leader.poll())).is_err());
    assert!(group.is_empty());

    let mut other = task::spawn(group.call(key.clone(), work.run(2)));
    assert_pending!(other.poll());
    drop(leader);
    assert_eq!(group.callers(&key), 1);
    work.gate.notify_one();
    let outcome = assert_ready!(other.poll());
    assert_eq!((outcome.value, outcome.role), (2, Role::Leader));
    assert!(group.is_empty());
}
