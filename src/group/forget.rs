//! Forgetting a key: later callers start anew, and those who are on its flight still get the outcome.

use std::{borrow::Borrow, hash::Hash, sync::Arc};

#[cfg(feature = "fleet")]
use super::reentrancy;
use super::{Group, flight_ref::FlightRef, shard::Shard};
use crate::{FlightId, panic::DiscardEach};

impl<K: Clone, T> Group<K, T> {
    /// Makes later callers of all keys that satisfy the predicate start anew; returns how many flights were forgotten.
    ///
    /// [`forget`](Self::forget) for many keys: those of one tenant, or below one path. The shards are gone through one
    /// after the other, and a flight that begins meanwhile may stay. The predicate sees clones of the keys; like `Eq`,
    /// `Clone` of a key runs under a lock: it must not call the group.
    ///
    /// # Panics
    ///
    /// A panic of the predicate is raised in the caller; no flight of the shard that it was looking at has been
    /// forgotten then, and the group goes on. A panic of a key's `Drop` goes no further, since the keys belong to other
    /// callers.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::Group;
    ///
    /// let group = Group::new();
    /// let calls = [("a", 1), ("a", 2), ("b", 1)].map(|key| group.call(key, || async {}));
    /// assert_eq!(group.forget_where(|(tenant, _)| *tenant == "a"), 2);
    /// assert_eq!(group.in_flight(), 1);
    /// # drop(calls);
    /// # }
    /// ```
    pub fn forget_where<P>(&self, predicate: P) -> usize
    where
        P: Fn(&K) -> bool,
    {
        let forget = |shard: &Arc<Shard<K, T>>| {
            // Made before the lock is taken, so that it is dropped after that, also by unwinding (invariant 6).
            let mut asked = DiscardEach(Vec::new());
            let locked = shard.lock();
            locked.clone_joinable(&mut asked.0);
            locked.unlock();
            // Unlocked (invariant 6): the predicate may call the group.
            let chosen: Vec<_> = asked.0.iter().filter(|(_, key)| predicate(key)).map(|(at, _)| *at).collect();
            let set_aside = |at: &FlightRef| {
                let mut locked = shard.lock();
                let is_there = locked.get(*at).is_some_and(|flight| flight.is_joinable());
                if is_there {
                    locked.set_aside(at.slot).run_for_others();
                }
                is_there
            };
            chosen.into_iter().filter(set_aside).count()
        };
        self.inner.shards.iter().map(forget).sum()
    }
}

impl<K: Hash + Eq, T> Group<K, T> {
    /// Makes later callers of the key start anew; returns whether a flight was forgotten.
    ///
    /// Go's `Forget`. Callers of the forgotten flight still get its outcome, and its end leaves its successor alone.
    /// Call it after a write has been committed, and whoever asks from then on sees that write.
    ///
    /// # Panics
    ///
    /// A panic in `Hash` or `Eq` of the key is raised in the caller; no flight is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::Group;
    ///
    /// let group = Group::new();
    /// let before = group.call("user:7", || async { "old name" });
    /// // ... the new name is committed; then:
    /// assert!(group.forget("user:7"));
    /// let after = group.call("user:7", || async { "new name" });
    /// assert_eq!((before.await.value, after.await.value), ("old name", "new name"));
    /// # }
    /// ```
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.forget_if(key, |_, _| true) == Some(true)
    }

    /// Forgets the key unless two or more live callers share its flight; returns whether no flight that can be joined
    /// is left.
    ///
    /// Go's `ForgetUnshared`, but on live callers: one that has left does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::Group;
    ///
    /// let group = Group::new();
    /// let a = group.call(7, || async {});
    /// let b = group.call(7, || async {});
    /// assert!(!group.forget_unshared(&7)); // two callers share it
    /// drop(b);
    /// assert!(group.forget_unshared(&7));
    /// # drop(a);
    /// # }
    /// ```
    pub fn forget_unshared<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.forget_if(key, |_, callers| callers < 2) != Some(false)
    }

    /// Forgets the flight whose work this thread is polling, if the key is still on that one (invariant 4).
    #[cfg(feature = "fleet")]
    pub(crate) fn forget_current<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.forget_if(key, |flight, _| reentrancy::current() == Some(flight));
    }

    /// Unlists the key's flight if `allowed` says so of it and its callers; `None` if there is no flight to join.
    fn forget_if<Q>(&self, key: &Q, allowed: impl FnOnce(FlightId, usize) -> bool) -> Option<bool>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.shard(key);
        let mut locked = shard.lock();
        let slot = locked.find(hash, key)?;
        let flight = locked.at(slot);
        // A tombstone stays, since its work is still being dropped (invariant 5).
        if !flight.is_running() {
            return None;
        }
        let at = FlightRef { slot, serial: flight.serial };
        if !allowed(at.id(shard.number), flight.callers) {
            return Some(false);
        }
        locked.set_aside(slot).run_for_others();
        Some(true)
    }
}
