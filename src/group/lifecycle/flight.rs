//! What a flight is: a run of the work, and the callers who share it.
//!
//! All of a flight's state is guarded by the lock of the shard that holds it. How it changes from stage to stage is in
//! `lifecycle`, with the invariants; outside of that the stage can only be read.

use std::{
    mem::{replace, take},
    sync::Arc,
    task::{Context, Waker},
};

use slab::Slab;
use tokio::time::Instant;

use crate::group::{
    park::{NeedsWaker, WaiterRef},
    shared_outcome::{SharedOutcome, Told},
    turn::Turn,
    wake_list::WakeList,
    work::BoxedWork,
};
use crate::{FlightId, Stats, observe::LeaderCall, panic::Payload};

/// The state of one flight, guarded by its shard's lock.
pub(in crate::group) struct Flight<K, T, S> {
    /// Tells the flights apart that use one slot in turn (invariant 4).
    pub(in crate::group) serial: u64,
    /// The hash of its key; 0 for work that runs alone.
    pub(super) hash: u64,
    /// `Some` exactly while the index lists the flight: as joinable, or as the tombstone of one that is being dropped.
    pub(super) key: Option<K>,
    pub(super) stage: Stage,
    /// `Some` while nobody polls the work; taken out for one poll, and for good when the flight ends.
    pub(in crate::group) work: Option<BoxedWork<T>>,
    /// The work has been polled once: from then on it is worth finishing.
    pub(in crate::group) polled: bool,
    /// A scope is to be called in the leader's task: the flight's task leaves the first poll to the leader for a while.
    pub(super) scoped: bool,
    /// A `spawn` asked for the work to run to its end.
    pub(super) finish: bool,
    /// Its end has been counted and told, though its work may go on for the leader alone; or it is no flight, but the
    /// work of a caller that goes alone.
    pub(super) over: bool,
    /// Live callers: those who joined less those who left or got the outcome.
    pub(in crate::group) callers: usize,
    /// The leader is one of them.
    pub(super) leader: bool,
    /// The leader's waker, once it has parked; in `Solo` it is kept in case the flight becomes shared.
    pub(in crate::group) leader_waker: Option<Waker>,
    /// When and where the leader called; `Some` only with a join window, or if somebody watches.
    pub(in crate::group) leader_call: Option<LeaderCall>,
    /// `Some` once any of it has been needed.
    pub(in crate::group) waiting: Option<Box<Waiting<T, S>>>,
}

/// What most flights never need, kept apart: a solo flight costs less to move and to drop without it.
pub(in crate::group) struct Waiting<T, S> {
    /// Where the followers learn how the flight ended; `Some` once there has been a follower.
    pub(in crate::group) outcome: Option<Arc<SharedOutcome<T, S>>>,
    /// What the leader alone gets; `Some` only in `Landed`, and `None` there too if it gets the same as all.
    pub(in crate::group) own: Option<Ending<T>>,
    /// The wakers of followers that wait for the end.
    pub(super) waiters: Slab<Waker>,
    /// The waker of the flight's task; `None` if it has been woken since it was last polled.
    pub(in crate::group) task: Option<Waker>,
    /// The older flight of the same key that this work waits for: for the drop of its work (invariant 5), or, where
    /// this flight waits for its turn, for its run.
    pub(super) blocked_by: Option<usize>,
    /// The flight that waits for this one's end.
    pub(in crate::group) successor: Option<usize>,
    /// `Some` while the flight waits behind one that runs.
    pub(in crate::group) turn: Option<Box<Turn>>,
    /// When its turn came; `Some` only after such a wait, and if the time of its leader's call is known.
    pub(in crate::group) began: Option<Instant>,
    /// When the run on another process that the work waits for began; `Some` only while it waits for one, and if the
    /// time of the leader's call is known.
    pub(in crate::group) elsewhere: Option<Instant>,
    /// When work without callers is to be dropped; `Some` only with `CancelAfter` and no callers.
    pub(super) grace: Option<Instant>,
}

impl<T, S> Waiting<T, S> {
    fn new() -> Self {
        let waiters = Slab::new();
        Self {
            outcome: None,
            own: None,
            waiters,
            task: None,
            blocked_by: None,
            successor: None,
            turn: None,
            began: None,
            elsewhere: None,
            grace: None,
        }
    }
}

/// Where a flight is in its life. Each stage says what joining, polling and leaving do in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::group) enum Stage {
    /// The leader's own poll drives the work. Joining moves the work to a task; the leader's leaving abandons it.
    Solo,
    /// The flight's task drives the work; callers park. Joining adds a caller; the last one's leaving abandons it.
    Shared,
    /// The work is being dropped. Joining leads a successor; callers, if any are left, park; leaving just leaves.
    Dropping,
    /// The leader has not taken the outcome yet. Nobody can join; the leader's poll or leaving ends the flight.
    Landed,
}

/// How the work ended, as its poller saw it: it owns the work or the payload, while [`Told`] is what others may read of it.
pub(in crate::group) enum Ending<T> {
    /// Work that has ended, and whether followers may have its value.
    Value {
        work: BoxedWork<T>,
        share: bool,
    },
    Panic(Payload),
}

/// A flight that is to be made.
pub(in crate::group) struct New<T> {
    pub(in crate::group) hash: u64,
    pub(in crate::group) work: BoxedWork<T>,
    /// Its task starts at once, and the work runs to its end.
    pub(in crate::group) spawned: bool,
    /// A scope is to be called in the leader's task, so the leader had better make the first poll.
    pub(in crate::group) scoped: bool,
    /// The flight whose work makes the call.
    pub(in crate::group) from: Option<FlightId>,
}

impl<K, T, S> Flight<K, T, S> {
    /// Returns a flight with its leader registered.
    #[inline]
    pub(super) fn new(new: New<T>, serial: u64, key: Option<K>) -> Self {
        let New { hash, work, spawned, scoped, from: _ } = new;
        Self {
            serial,
            hash,
            key,
            stage: if spawned { Stage::Shared } else { Stage::Solo },
            work: Some(work),
            polled: false,
            scoped,
            finish: spawned,
            over: false,
            callers: 1,
            leader: true,
            leader_waker: None,
            leader_call: None,
            waiting: None,
        }
    }

    pub(in crate::group) fn stage(&self) -> Stage {
        self.stage
    }

    pub(in crate::group) fn waiting_mut(&mut self) -> &mut Waiting<T, S> {
        self.waiting.get_or_insert_with(|| Box::new(Waiting::new()))
    }

    /// Returns whether the work waits for the drop of a predecessor's (invariant 5).
    pub(in crate::group) fn is_blocked(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.blocked_by.is_some())
    }

    /// Returns whether the first poll is better made by the leader, whose task has what the scope takes along.
    pub(in crate::group) fn awaits_leader(&self) -> bool {
        self.scoped && !self.polled && self.leader && !self.is_blocked()
    }

    /// Returns whether the leader polls the work: on a flight that it has to itself, or for a scope's first poll, which
    /// the flight's task leaves to the leader.
    #[inline]
    pub(in crate::group) fn is_led(&self) -> bool {
        match self.stage {
            Stage::Solo => !self.is_blocked(),
            Stage::Shared => self.awaits_leader(),
            Stage::Dropping | Stage::Landed => false,
        }
    }

    pub(in crate::group) fn grace(&self) -> Option<Instant> {
        self.waiting.as_ref()?.grace
    }

    /// Returns whether dropping the flight would do nothing.
    pub(super) fn is_hollow(&self) -> bool {
        let Self { key, work, leader_waker, leader_call, waiting, .. } = self;
        key.is_none() && work.is_none() && leader_waker.is_none() && leader_call.is_none() && waiting.is_none()
    }

    /// Returns whether nobody has joined, and nothing waits: the leader ends it alone.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        matches!(self.stage, Stage::Solo) && self.waiting.is_none()
    }

    pub(in crate::group) fn is_joinable(&self) -> bool {
        self.key.is_some() && self.is_running()
    }

    /// Returns whether the work runs or may still run.
    pub(in crate::group) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Solo | Stage::Shared)
    }

    /// Live callers less the leader.
    pub(in crate::group) fn followers(&self) -> usize {
        self.callers - usize::from(self.leader)
    }

    /// Returns whether the work, though it has not been polled yet, may get its value from a run on another process
    /// that began before.
    pub(in crate::group) fn may_be_older(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.may_be_older())
    }

    /// Takes the work for one poll; `None` if somebody else has it.
    #[inline]
    pub(in crate::group) fn take_work(&mut self) -> Option<BoxedWork<T>> {
        let work = self.work.take()?;
        self.polled = true;
        Some(work)
    }

    /// Takes the waker of whoever polls the work next. Its place stays empty until that one is polled again.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    pub(super) fn take_driver(&mut self) -> Option<Waker> {
        match self.stage {
            Stage::Solo => self.leader_waker.take(),
            Stage::Shared => self.take_task(),
            Stage::Dropping | Stage::Landed => None,
        }
    }

    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    pub(in crate::group) fn take_task(&mut self) -> Option<Waker> {
        self.waiting.as_mut()?.task.take()
    }

    /// Takes the wakers of all who wait for the end.
    pub(super) fn take_wakers(&mut self) -> WakeList {
        let waiting = self.waiting.as_deref_mut();
        let (waiters, task) =
            waiting.map(|waiting| (take(&mut waiting.waiters), waiting.task.take())).unwrap_or_default();
        WakeList { leader: self.leader_waker.take(), waiters, task, successor: None }
    }

    /// Ends the flight for its followers, if it has ever had any, and counts those that get no value.
    pub(super) fn tell(&self, how: Told<T>, stats: &mut Stats) {
        if let Some(count) = how.count(stats) {
            *count += self.followers() as u64;
        }
        if let Some(outcome) = self.waiting.as_ref().and_then(|waiting| waiting.outcome.as_ref()) {
            outcome.tell(how);
        }
    }

    /// Parks a follower: `parked` is its place among the waiters, `spare` a clone of its waker, made outside the lock.
    ///
    /// Returns the waker that became superfluous, or an error if a spare is needed.
    pub(in crate::group) fn park_follower(
        &mut self,
        parked: &mut Option<WaiterRef>,
        spare: Option<Waker>,
        cx: &Context<'_>,
    ) -> Result<Option<Waker>, NeedsWaker> {
        let waiters = &mut self.waiting_mut().waiters;
        match (*parked, spare) {
            (Some(place), spare) if waiters[place.index()].will_wake(cx.waker()) => Ok(spare),
            (Some(place), Some(spare)) => Ok(Some(replace(&mut waiters[place.index()], spare))),
            (None, Some(spare)) => {
                *parked = Some(WaiterRef::new(waiters.insert(spare)));
                Ok(None)
            }
            (_, None) => Err(NeedsWaker),
        }
    }
}
