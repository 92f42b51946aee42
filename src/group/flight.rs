//! One flight: a run of the work, and the callers who share it.
//!
//! ```text
//! Solo ──(a second caller joins)──► Shared ──► Landed
//!  │                                 │  │
//!  │                                 │  └──(the task dies)──► Lost
//!  └──(the only caller leaves)──► Dying ◄──(the last caller leaves)
//! ```
//!
//! A solo flight may land or, asked to finish, become shared without a second caller. All of a flight's state is guarded
//! by the lock of the shard that holds it; what runs user code is taken out, and run or dropped once the lock is released.
//!
//! # Invariants
//!
//! 1. At most one joinable flight per key and group.
//! 2. Joining is synchronous: when `call` returns, the caller is registered.
//! 3. "No longer joinable" and "removed from the index" are one critical section, and come before anyone can see the
//!    outcome: no caller ever receives the outcome of a flight that had landed when it called.
//! 4. Removal checks identity: the end of a forgotten or replaced flight never evicts its successor.
//! 5. "Last caller left" and "no longer joinable" are one critical section: nobody joins a dying flight. Until its work is
//!    dropped the key keeps a tombstone; who finds it leads a new flight, whose work starts when the drop is done.
//! 6. User code never runs under a lock; `Eq` of keys is the one exception.
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
    panic::{Payload, Text},
    task::Launch,
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
    /// A `spawn` asked for the work to run to its end.
    pub(super) finish: bool,
    /// Live callers: those who joined less those who left or got the outcome.
    pub(super) callers: usize,
    /// The leader is one of them.
    pub(super) leader: bool,
    /// The wakers of callers that wait for the landing (in `Solo`: the leader's own, kept in case it becomes shared).
    pub(super) waiters: Slab<Waker>,
    /// The waker of the flight's task; `None` if it has been woken since it was last polled.
    pub(super) task: Option<Waker>,
    /// The dying flight of the same key whose drop must be done before this work may start (invariant 5).
    pub(super) blocked_by: Option<usize>,
    /// The flight that waits for this dying one.
    pub(super) successor: Option<usize>,
    /// When the leader called; `Some` only with a join window.
    pub(super) called: Option<Instant>,
    /// Starts the flight's task.
    pub(super) launch: Launch<K, T>,
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
    /// The outcome is there. Nobody can join; a poll takes the outcome; the last one to take it or leave frees the flight.
    Landed(Landed<T>),
    /// The task died. Nobody can join; a follower's poll sends it alone, the leader's takes the work back.
    Lost,
}

/// How the work ended, as its poller saw it.
pub(super) enum Ending<T> {
    Value { value: T, share: bool },
    Panic(Payload),
}

/// How the work ended, as its callers get to see it (invariant 11).
pub(super) enum Landed<T> {
    /// Everybody gets the value.
    Shared { value: Arc<T>, callers: usize },
    /// The leader alone gets the value, unless it left; followers go alone.
    Kept(Option<Box<T>>),
    /// The leader gets the payload, the others its text.
    Panicked(Box<Panicked>),
}

pub(super) struct Panicked {
    pub(super) payload: Option<Payload>,
    pub(super) text: Text,
}

/// What of a flight that is gone can run user code when it is dropped, which is to happen once the lock is released.
pub(super) struct Remains<K, T> {
    _key: Option<K>,
    _stage: Stage<T>,
    _work: Option<BoxedWork<T>>,
    _waiters: Slab<Waker>,
    _task: Option<Waker>,
}

impl<K, T> From<Flight<K, T>> for Remains<K, T> {
    #[inline]
    fn from(flight: Flight<K, T>) -> Self {
        let Flight { key, stage, work, waiters, task, .. } = flight;
        Self { _key: key, _stage: stage, _work: work, _waiters: waiters, _task: task }
    }
}

impl<K, T> Flight<K, T> {
    /// Returns a flight with its leader aboard, solo and not listed.
    #[inline]
    pub(super) fn new(serial: u64, hash: u64, work: BoxedWork<T>, launch: Launch<K, T>) -> Self {
        Self {
            serial,
            hash,
            key: None,
            stage: Stage::Solo,
            work: Some(work),
            polled: false,
            finish: false,
            callers: 1,
            leader: true,
            waiters: Slab::new(),
            task: None,
            blocked_by: None,
            successor: None,
            called: None,
            grace: None,
            launch,
        }
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

    /// Counts one caller less.
    pub(super) fn disembark(&mut self, leads: bool) {
        self.callers -= 1;
        self.leader &= !leads;
    }

    /// Takes the waker of whoever polls the work next, leaving a mark that it has been woken.
    pub(super) fn take_driver(&mut self) -> Option<Waker> {
        match self.stage {
            Stage::Solo => {
                let leader = self.waiters.iter_mut().next();
                leader.map(|(_, waker)| replace(waker, Waker::noop().clone()))
            }
            Stage::Shared => self.task.take(),
            Stage::Dying | Stage::Landed(_) | Stage::Lost => None,
        }
    }

    /// Freezes the ending for the callers there are; returns what none of them may have.
    pub(super) fn freeze(&mut self, ending: Ending<T>) -> Option<Ending<T>> {
        let (landed, rest) = match ending {
            Ending::Value { value, share: true } => {
                (Landed::Shared { value: Arc::new(value), callers: self.callers }, None)
            }
            Ending::Value { value, share: false } if self.leader => (Landed::Kept(Some(Box::new(value))), None),
            Ending::Value { value, share: false } => (Landed::Kept(None), Some(Ending::Value { value, share: false })),
            Ending::Panic(payload) => {
                let text = Text::of(&payload);
                let (payload, rest) = if self.leader { (Some(payload), None) } else { (None, Some(payload)) };
                (Landed::Panicked(Box::new(Panicked { payload, text })), rest.map(Ending::Panic))
            }
        };
        self.stage = Stage::Landed(landed);
        rest
    }

    /// Parks a caller: `seat` is its place among the waiters, `spare` a clone of its waker, made outside the lock.
    ///
    /// Returns the waker that became superfluous, or an error if a spare is needed.
    pub(super) fn park(
        &mut self,
        seat: &mut Option<usize>,
        spare: Option<Waker>,
        cx: &Context<'_>,
    ) -> Result<Option<Waker>, NeedsWaker> {
        match (*seat, spare) {
            (Some(seat), spare) if self.waiters[seat].will_wake(cx.waker()) => Ok(spare),
            (Some(seat), Some(spare)) => Ok(Some(replace(&mut self.waiters[seat], spare))),
            (None, Some(spare)) => {
                *seat = Some(self.waiters.insert(spare));
                Ok(None)
            }
            (_, None) => Err(NeedsWaker),
        }
    }

    /// Parks the flight's task, likewise.
    pub(super) fn park_task(&mut self, spare: Option<Waker>, cx: &Context<'_>) -> Result<Option<Waker>, NeedsWaker> {
        match (&mut self.task, spare) {
            (Some(task), spare) if task.will_wake(cx.waker()) => Ok(spare),
            (task, Some(spare)) => Ok(task.replace(spare)),
            (_, None) => Err(NeedsWaker),
        }
    }
}

/// The caller has to clone its waker, outside the lock, and come again.
pub(super) struct NeedsWaker;
