//! Forgetting all flights whose keys satisfy a predicate.

use std::{
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use futures_util::future::join_all;
use tower_singleflight::{Group, Role};

#[tokio::test]
async fn those_that_satisfy_it_are_forgotten_and_their_callers_get_their_outcome() {
    let group = Group::new();
    let old: Vec<_> = (0..100).map(|key| group.call(key, move || async move { key })).collect();
    assert_eq!(group.forget_where(|key| key % 2 == 0), 50);
    assert_eq!(group.in_flight(), 50);
    let new: Vec<_> = (0..100).map(|key| group.call(key, move || async move { key + 1000 })).collect();
    for (key, outcome) in join_all(new).await.into_iter().enumerate() {
        let role = if key % 2 == 0 { Role::Leader } else { Role::Follower };
        assert_eq!((outcome.role, outcome.value), (role, if key % 2 == 0 { key + 1000 } else { key }));
    }
    for (key, outcome) in join_all(old).await.into_iter().enumerate() {
        assert_eq!((outcome.role, outcome.value), (Role::Leader, key));
    }
    assert_eq!(group.forget_where(|_| true), 0);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_predicate_that_panics_leaves_the_group_as_it_was() {
    let group = Group::new();
    let call = group.call("key", || async { 1 });
    assert!(catch_unwind(AssertUnwindSafe(|| group.forget_where(|_| panic!("boom")))).is_err());
    assert_eq!(group.callers("key"), 1);
    assert_eq!(group.call("key", || async { 2 }).await.value, 1);
    drop(call);
    assert!(group.is_empty());
}

#[tokio::test]
async fn a_predicate_may_call_the_group() {
    let group = Group::new();
    let call = group.call("key", || async { 1 });
    assert_eq!(group.forget_where(|key| group.callers(key) == 1 && !group.forget("other")), 1);
    // One that forgets the flight itself leaves nothing to be forgotten.
    let again = group.call("key", || async { 2 });
    assert_eq!(group.forget_where(|key| group.forget(key)), 0);
    assert!(group.is_empty());
    assert_eq!((call.await.value, again.await.value), (1, 2));
}

/// Invariant 4: the flight that the predicate was asked about is over, and its key has another.
#[tokio::test]
async fn a_flight_that_took_the_key_while_the_predicate_was_asked_stays() {
    let group = Group::new();
    let old = group.call("key", || async { 1 });
    let new = std::cell::RefCell::new(None);
    let replace = |key: &&'static str| {
        assert!(group.forget(key));
        new.replace(Some(group.call(*key, || async { 2 })));
        true
    };
    assert_eq!(group.forget_where(replace), 0);
    assert_eq!(group.callers("key"), 1, "the new one can be joined");
    assert_eq!((old.await.value, new.take().unwrap().await.value), (1, 2));
    assert!(group.is_empty());
}

/// Invariant 6: those that were cloned already ask the group as they are dropped.
#[test]
fn a_key_that_panics_as_it_is_cloned_leaves_no_lock_held() {
    struct Key(u8, Arc<OnceLock<Group<Key, ()>>>, Arc<AtomicUsize>);
    impl Hash for Key {
        // All are in one shard.
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Key {}
    impl Clone for Key {
        fn clone(&self) -> Self {
            assert!(self.2.fetch_sub(1, SeqCst) > 0, "no more of these can be cloned");
            Self(self.0, Arc::clone(&self.1), Arc::clone(&self.2))
        }
    }
    impl Drop for Key {
        fn drop(&mut self) {
            self.1.get().map(Group::in_flight);
        }
    }
    let (group, known, left) = (Group::new(), Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(1)));
    let calls = [1, 2].map(|key| group.call(Key(key, Arc::clone(&known), Arc::clone(&left)), || async {}));
    assert!(known.set(group.clone()).is_ok());
    assert!(catch_unwind(AssertUnwindSafe(|| group.forget_where(|_| true))).is_err());
    assert_eq!(group.in_flight(), 2);
    drop(calls);
    assert!(group.is_empty());
}

/// Two panics of drops at a time would end the process: of two keys, of two clones, or of a clone while a predicate unwinds.
#[test]
fn keys_that_panic_as_they_are_dropped_keep_no_flight_from_being_forgotten() {
    struct Key(u8, Arc<AtomicBool>);
    impl PartialEq for Key {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Key {}
    impl Hash for Key {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }
    impl Clone for Key {
        fn clone(&self) -> Self {
            Self(self.0, Arc::clone(&self.1))
        }
    }
    impl Drop for Key {
        fn drop(&mut self) {
            assert!(!self.1.load(SeqCst), "dropped");
        }
    }
    let (group, panics) = (Group::new(), Arc::new(AtomicBool::new(false)));
    let calls = [1, 2, 3].map(|key| group.call(Key(key, Arc::clone(&panics)), || async {}));
    panics.store(true, SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| group.forget_where(|_| panic!("boom")))).is_err());
    assert_eq!(group.in_flight(), 3);
    assert_eq!(group.forget_where(|key| key.0 > 1), 2);
    panics.store(false, SeqCst);
    assert_eq!(group.in_flight(), 1);
    drop(calls);
    assert!(group.is_empty());
}
