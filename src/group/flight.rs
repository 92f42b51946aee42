//! One flight: a run of the work, and the callers who share it.
//!
//! ```text
//! Solo ──(a second caller joins)──► Shared ──► Landed
//!  │                                 │  │
//!  │                                 │  └──(the task dies)──► Lost
//!  └──(the only caller leaves)──► Dying ◄──(the last caller leaves)
//! ```
//!
//! A solo flight may land or, asked to finish, become shared without a second caller. All of a flight's state is
//! guarded by the lock of the shard that holds it; what runs user code is taken out, and run or dropped once the lock
//! is released.
//!
//! # Invariants
//!
//! 1. At most one joinable flight per key and group.
//! 2. Joining is synchronous: when `call` returns, the caller is registered.
//! 3. "No longer joinable" and "removed from the index" are one critical section, and come before anyone can see the
//!    outcome: no caller ever receives the outcome of a flight that had landed when it called.
//! 4. Removal checks identity: the end of a forgotten or replaced flight never evicts its successor.
//! 5. "Last caller left" and "no longer joinable" are one critical section: nobody joins a dying flight. Until its work
//!    is dropped the key keeps a tombstone; who finds it leads a new flight, whose work starts when the drop is done.
//!    (A leader that takes its work back from a lost flight is like one alone, and does not wait.)
//! 6. User code never runs under a lock; `Eq` of keys, and `Clone` of keys for `forget_where`, are the exceptions: both
//!    look, and change nothing.
//! 7. Progress never depends on a particular caller being polled.
//! 8. However a flight ends, the key is free and every caller is told.
//! 9. A parked caller costs no CPU: one poll to park, one to land, however often the work is woken.
//! 10. Joining and leaving are O(1); landing is O(callers).
//! 11. `shared`, roles and counts are frozen at landing.
//! 12. A group at rest holds nothing: no entry, no task, no waker, no table.

use std::{
    mem::replace,
    sync::Arc,
    task::{Context, Waker},
};

use slab::Slab;
use tokio::time::Instant;

use super::{
    company::{Company, End},
    panic::{Payload, Text},
    wake::Wakes,
    work::BoxedWork,
};

/// The state of one flight, guarded by its shard's lock.
pub(super) struct Flight<K, T> {
    /// Tells the flights apart that use one slot in turn (invariant 4).
    pub(super) serial: u64,
    pub(super) hash: u64,
    /// `Some` exactly while the index lists the flight: as joinable, or as the tombstone of a dying one.
    pub(super) key: Option<K>,
    pub(super) stage: Stage<T>,
    /// `Some` while nobody polls the work; taken out for one poll, and for good when the flight ends.
    pub(super) work: Option<BoxedWork<T>>,
    /// The work has been polled once: from then on it is worth finishing.
    pub(super) polled: bool,
    /// A scope is to be called in the leader's task: the flight's task leaves the first poll to the leader for a while.
    pub(super) scoped: bool,
    /// A `spawn` asked for the work to run to its end.
    pub(super) finish: bool,
    /// Live callers: those who joined less those who left or got the outcome.
    pub(super) callers: usize,
    /// The leader is one of them.
    pub(super) leader: bool,
    /// Where the followers learn how it ended; `Some` once there has been one.
    pub(super) company: Option<Arc<Company<K, T>>>,
    /// The leader's waker, once it has parked; in `Solo` it is kept in case the flight becomes shared.
    pub(super) leader_waker: Option<Waker>,
    /// Made when it is first written to.
    pub(super) rare: Option<Box<Rare>>,
}

/// What most flights never need, kept apart: a solo flight is small, and cheap to move in and out of the table.
#[derive(Default)]
pub(super) struct Rare {
    /// The wakers of followers that wait for the end.
    pub(super) waiters: Slab<Waker>,
    /// The waker of the flight's task; `None` if it has been woken since it was last polled.
    pub(super) task: Option<Waker>,
    /// The dying flight of the same key whose drop must be done before this work may start (invariant 5).
    pub(super) blocked_by: Option<usize>,
    /// The flight that waits for this dying one.
    pub(super) successor: Option<usize>,
    /// When the leader called; `Some` only with a join window.
    pub(super) called: Option<Instant>,
    /// When work without callers is to be dropped; `Some` only with `CancelAfter` and no callers.
    pub(super) grace: Option<Instant>,
}

/// Where a flight is in its life. What joining, polling and leaving do in it:
pub(super) enum Stage<T> {
    /// The leader's own poll drives the work. Joining moves the work to a task; the leader's leaving abandons it.
    Solo,
    /// The flight's task drives the work; callers park. Joining adds a caller; the last one's leaving abandons it.
    Shared,
    /// The work is being dropped. Joining leads a successor; callers, if any are left, park; leaving just leaves.
    Dying,
    /// The outcome is there, and the leader has not taken it. Nobody can join; the leader's poll or leaving ends the
    /// flight.
    Landed(Own<T>),
    /// The task died, and the leader is aboard. Nobody can join; the leader's poll takes the work back.
    Lost,
}

/// How the work ended, as its poller saw it.
pub(super) enum Ending<T> {
    /// Work that has ended, and whether followers may have its value.
    Value {
        work: BoxedWork<T>,
        share: bool,
    },
    Panic(Payload),
}

/// What the leader gets of the outcome.
pub(super) enum Own<T> {
    /// The same as all.
    Part,
    /// Work that has ended, with a value that nobody else may have.
    Value(BoxedWork<T>),
    Panic(Payload),
}

impl<K, T> Flight<K, T> {
    /// Returns a flight with its leader aboard, solo and not listed.
    #[inline]
    pub(super) fn new(serial: u64, hash: u64, work: BoxedWork<T>) -> Self {
        Self {
            serial,
            hash,
            key: None,
            stage: Stage::Solo,
            work: Some(work),
            polled: false,
            scoped: false,
            finish: false,
            callers: 1,
            leader: true,
            company: None,
            leader_waker: None,
            rare: None,
        }
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Returns whether the work waits for the drop of a predecessor's (invariant 5).
    pub(super) fn is_blocked(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.blocked_by.is_some())
    }

    /// Returns whether the first poll is better made by the leader, whose task has what the scope takes along.
    pub(super) fn awaits_leader(&self) -> bool {
        self.scoped && !self.polled && self.leader && !self.is_blocked()
    }

    pub(super) fn grace(&self) -> Option<Instant> {
        self.rare.as_ref()?.grace
    }

    pub(super) fn is_joinable(&self) -> bool {
        self.key.is_some() && self.is_running()
    }

    /// Returns whether the work runs or may still run.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Solo | Stage::Shared)
    }

    /// Live callers less the leader.
    pub(super) fn followers(&self) -> usize {
        self.callers - usize::from(self.leader)
    }

    /// Takes the waker of whoever polls the work next, leaving a mark that it has been woken.
    pub(super) fn take_driver(&mut self) -> Option<Waker> {
        match self.stage {
            Stage::Solo => self.leader_waker.take(),
            Stage::Shared => self.take_task(),
            Stage::Dying | Stage::Landed(_) | Stage::Lost => None,
        }
    }

    pub(super) fn take_task(&mut self) -> Option<Waker> {
        self.rare.as_mut()?.task.take()
    }

    /// Takes the wakers of all who wait for the end, with all else that only a running flight needs.
    pub(super) fn take_wakers(&mut self) -> Wakes {
        let (waiters, task) = self.rare.take().map(|rare| (rare.waiters, rare.task)).unwrap_or_default();
        Wakes { leader: self.leader_waker.take(), waiters, task, successor: None }
    }

    /// Ends the flight for its followers, if it has ever had any.
    pub(super) fn tell(&self, end: End<T>) {
        if let Some(company) = &self.company {
            company.tell(end);
        }
    }

    /// Freezes the ending for the callers there are; returns what none of them gets.
    pub(super) fn freeze(&mut self, ending: Ending<T>) -> Option<Ending<T>> {
        let (end, own, rest) = match ending {
            Ending::Value { mut work, share: true } if self.followers() > 0 => {
                let value = work.as_mut().take_value();
                (End::Shared { value, callers: self.callers }, Own::Part, Some(Ending::Value { work, share: true }))
            }
            Ending::Value { work, .. } => {
                let note = if self.followers() > 0 { work.note() } else { None };
                (End::NotShareable(note), Own::Value(work), None)
            }
            Ending::Panic(payload) => (End::Panicked(Text::of(&payload)), Own::Panic(payload), None),
        };
        self.tell(end);
        if self.leader {
            self.stage = Stage::Landed(own);
            return rest;
        }
        match own {
            Own::Part => rest,
            Own::Value(work) => Some(Ending::Value { work, share: false }),
            Own::Panic(payload) => Some(Ending::Panic(payload)),
        }
    }

    /// Parks a follower: `parked` is its place among the waiters, `spare` a clone of its waker, made outside the lock.
    ///
    /// Returns the waker that became superfluous, or an error if a spare is needed.
    pub(super) fn park_follower(
        &mut self,
        parked: &mut Option<usize>,
        spare: Option<Waker>,
        cx: &Context<'_>,
    ) -> Result<Option<Waker>, NeedsWaker> {
        let waiters = &mut self.rare_mut().waiters;
        match (*parked, spare) {
            (Some(place), spare) if waiters[place].will_wake(cx.waker()) => Ok(spare),
            (Some(place), Some(spare)) => Ok(Some(replace(&mut waiters[place], spare))),
            (None, Some(spare)) => {
                *parked = Some(waiters.insert(spare));
                Ok(None)
            }
            (_, None) => Err(NeedsWaker),
        }
    }
}

/// Parks the leader or the flight's task, likewise.
pub(super) fn park(
    place: &mut Option<Waker>,
    spare: Option<Waker>,
    cx: &Context<'_>,
) -> Result<Option<Waker>, NeedsWaker> {
    match (place, spare) {
        (Some(parked), spare) if parked.will_wake(cx.waker()) => Ok(spare),
        (place, Some(spare)) => Ok(place.replace(spare)),
        (_, None) => Err(NeedsWaker),
    }
}

/// The caller has to clone its waker, outside the lock, and come again.
pub(super) struct NeedsWaker;
