//! A shard to which flights come too fast: its keys go to several others.
//!
//! Few groups come to that, and the others have no memory for it. A shard is split under its lock, while it has no flight. So
//! a key has its flights here until then, and in one of the parts from then on (invariant 1). Who has come here to begin a
//! flight, and gets the lock only afterwards, is sent on; who has come to ask for one finds none, as if it had asked before.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use super::shard::{Locked, PARTS, Parts, Shard};
use crate::striped::thread_number;

/// Where a flight is to go that may not be begun without more ado.
pub(super) enum Room<'a, K, T> {
    /// Here. It has been counted.
    Here(Locked<'a, K, T>),
    In(&'a Arc<Shard<K, T>>),
    Nowhere,
}

impl<K, T> Shard<K, T> {
    /// Looks whether the shard is better split.
    #[cold]
    #[inline(never)]
    pub(super) fn look(&self) {
        let mut locked = self.lock();
        if locked.pace.is_too_fast(Instant::now(), thread_number()) {
            locked.joinable.split();
        }
    }
}

impl<'a, K, T> Locked<'a, K, T> {
    /// Says where a flight goes that was not counted at once: to a part of the shard, if that has been split or can be now.
    #[cold]
    pub(super) fn find_room(mut self, hash: u64, leaving: usize) -> Room<'a, K, T> {
        let shard = self.shard;
        // Flights that are there keep their keys; only those without one are there when it has been split.
        if self.joinable.splits() && (self.is_empty() || shard.parts.get().is_some()) {
            let parts = shard.parts.get_or_init(|| {
                let (parts, flights) = ([const { OnceLock::new() }; PARTS], self.joinable.of_group());
                Box::new(Parts { parts, limits: shard.limits, flights, observers: Arc::clone(&shard.observers) })
            });
            self.unlock();
            return Room::In(parts.of(hash));
        }
        if self.joinable.try_add_here(leaving) {
            return Room::Here(self);
        }
        self.stats.alone += 1;
        self.unlock();
        Room::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::Arc,
    };

    use super::{PARTS, Shard};
    use crate::{Group, Limits, Reason, Role};

    /// Asks for the shard of a key to be split.
    fn ask(group: &Group<u32, u32>, key: u32) -> Arc<Shard<u32, u32>> {
        let shard = Arc::clone(group.shard(&key).0);
        shard.lock().joinable.split();
        shard
    }

    #[test]
    fn a_shard_is_split_when_it_has_no_flight() {
        let group = Group::new();
        let first = group.call(7, pending);
        let shard = ask(&group, 7);
        // Who comes to it meanwhile joins its flight, or begins another one.
        assert!(group.try_call(7, pending).is_none());
        let other = (8..).find(|key| Arc::ptr_eq(group.shard(key).0, &shard)).expect("there are many keys");
        let second = group.call(other, pending);
        assert!(shard.parts.get().is_none());
        assert_eq!((group.in_flight(), group.callers(&7)), (2, 1));
        drop((first, second));
        let next = group.call(7, pending);
        assert!(shard.parts.get().is_some());
        assert!(!Arc::ptr_eq(group.shard(&7).0, &shard));
        assert_eq!((group.in_flight(), group.callers(&7), group.stats().led), (1, 1, 3));
        assert!(shard.lock().is_empty());
        assert_eq!(group.forget_where(|key| *key == 7), 1);
        drop(next);
        assert!(group.is_empty());
    }

    #[test]
    fn who_comes_to_a_shard_and_has_its_lock_after_the_split_is_sent_on() {
        let group = Group::new();
        let shard = ask(&group, 7);
        let hash = group.shard(&7).1;
        let first = group.call(7, pending);
        let room = shard.lock().find_room(hash, 0);
        assert!(matches!(room, super::Room::In(part) if Arc::ptr_eq(part, group.shard(&7).0)));
        assert_eq!(group.callers(&7), 1);
        drop(first);
        assert!(group.is_empty());
    }

    #[test]
    fn the_keys_of_a_split_shard_go_to_all_parts() {
        let group = Group::new();
        let shard = ask(&group, 7);
        drop(group.call(7, || ready(7)));
        for key in 0..100_000 {
            drop(group.call(key, || ready(7)));
        }
        let parts = shard.parts.get().map_or(0, |parts| parts.iter().count());
        assert_eq!(parts, PARTS);
        assert_eq!(group.stats().led, 100_001, "those of the parts are counted");
        assert!(group.is_empty());
    }

    #[test]
    fn a_limit_holds_for_all_parts_together() {
        let group = Group::with_limits(Limits::new().max_flights(2));
        let shard = ask(&group, 7);
        let first = group.call(7, pending);
        assert!(shard.parts.get().is_some());
        let calls = [8, 9].map(|key| group.call(key, move || ready(key)));
        assert!(calls[0].is_leader() && !calls[1].is_leader());
        let [led, full] = calls;
        let outcome = futures_util::FutureExt::now_or_never(full).expect("it goes alone");
        assert_eq!(outcome.role, Role::Alone(Reason::Full));
        drop((first, led));
        assert!(group.is_empty());
    }
}
