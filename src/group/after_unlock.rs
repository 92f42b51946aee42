//! What a transition leaves to be done once the lock is released (invariant 6).

use std::{panic::resume_unwind, task::Waker};

use super::{
    flight_ref::FlightRef,
    lifecycle::{Ending, Waiting},
    reentrancy::Edge,
    report::{self, EventReport},
    shard::{Shard, ShardFlight},
    wake_list::WakeList,
};
use crate::{
    FlightId,
    observe::{LeaderCall, Watch},
    panic::{catch, discard},
    trace,
};

/// What a transition leaves to be done, now that the lock is released (invariant 6).
#[must_use = "wakers wait to be woken, and user code to be dropped"]
pub(super) struct AfterUnlock<'a, K, T> {
    pub(super) wakes: WakeList,
    /// Work that is to be dropped, and the flight that is gone after that.
    pub(super) closed: Option<ClosedWork<'a, K, T>>,
    pub(super) key: Option<K>,
    /// A waker that nobody waits by any more: it is dropped, not woken.
    pub(super) waker: Option<Waker>,
    pub(super) gone: Option<ShardFlight<K, T>>,
    /// An ending that nobody gets.
    pub(super) unwanted: Option<Ending<T>>,
    /// The ending for the driver, if that is the only caller; then the flight is gone.
    pub(super) own: Option<Ending<T>>,
    /// What the group's observers are told.
    pub(super) report: Option<EventReport<'a>>,
    /// The flight, if it has lost its task: this is logged.
    pub(super) lost: Option<FlightId>,
    /// Taken from a flight that goes on without it.
    pub(super) waiting: Option<Box<Waiting<T, Shard<K, T>>>>,
    /// What is to be done for the flight that waited behind this one, if its callers were released with this one's.
    pub(super) next: Option<Box<Self>>,
}

impl<K, T> AfterUnlock<'_, K, T> {
    pub(super) fn nothing() -> Self {
        let wakes = WakeList::default();
        Self {
            wakes,
            closed: None,
            key: None,
            waker: None,
            gone: None,
            unwanted: None,
            own: None,
            report: None,
            lost: None,
            waiting: None,
            next: None,
        }
    }

    /// Wakes, tells, then drops; returns what the driver of a landed flight gets.
    pub(super) fn run(self) -> Option<Ending<T>> {
        let Self { wakes, closed, key, waker, gone, unwanted, own, report, lost, waiting, next } = self;
        // The callers of the next flight are told before anything that may panic (invariant 8).
        let next = next.map_or(Ok(None), |next| catch(|| next.run()));
        wakes.wake();
        if let Some(report) = report {
            report.tell();
        }
        if let Some(lost) = lost {
            trace::lost(lost);
        }
        // The work alone may fail the caller that drops it. The rest may be others', such as a key that was handed over, and two
        // panics at once would end the process.
        discard(key);
        discard(waker);
        discard(gone);
        discard(unwanted);
        discard(waiting);
        drop(closed);
        if let Err(payload) = next {
            resume_unwind(payload);
        }
        own
    }

    /// Does the same on behalf of a caller that owns neither the work nor an outcome. If one of these panics as it is
    /// dropped, that is another caller's panic, and goes no further.
    pub(super) fn run_for_others(mut self) {
        let closed = self.closed.take();
        discard(self.run());
        if let Some(ClosedWork { work, then }) = closed {
            discard(work);
            discard(then);
        }
    }
}

/// The work of a flight that is being dropped, ended or not; the fields are dropped in this order (invariant 5).
pub(super) struct ClosedWork<'a, K, T> {
    work: Ending<T>,
    then: DropGuard<'a, K, T>,
}

impl<'a, K, T> ClosedWork<'a, K, T> {
    pub(super) fn new(shard: &'a Shard<K, T>, flight: FlightRef, work: Ending<T>) -> Self {
        Self { work, then: DropGuard { shard, flight } }
    }
}

/// Removes a flight when its work has been dropped, even by a drop that panics.
struct DropGuard<'a, K, T> {
    shard: &'a Shard<K, T>,
    flight: FlightRef,
}

impl<K, T> Drop for DropGuard<'_, K, T> {
    fn drop(&mut self) {
        self.shard.lock().finish_drop(self.flight).run();
    }
}

/// A flight that nobody joined and somebody watched, and that its leader has landed.
#[must_use = "those who watch wait to be told"]
pub(super) struct WatchedLanding<K> {
    pub(super) leader_call: LeaderCall,
    pub(super) rest: (Option<K>, Option<Waker>),
}

impl<K> WatchedLanding<K> {
    /// Tells the observers, then drops what is left. `watch`: the leader's own.
    #[inline(never)]
    pub(super) fn run<T>(self, shard: &Shard<K, T>, at: FlightRef, ending: &Ending<T>, watch: Option<&mut Watch>) {
        report::tell_landed_alone(shard, at, ending, &self.leader_call, watch);
        drop(self.rest);
    }
}

/// A flight that has been led.
#[must_use = "a key waits to be dropped, and perhaps a task to be started"]
pub(super) struct Led<K> {
    pub(super) flight: FlightRef,
    pub(super) old_key: Option<K>,
}

/// A flight that has been led, and waits behind another one.
#[must_use = "a key waits to be dropped, and perhaps two tasks to be started"]
pub(super) struct WaitsBehind<'a, K> {
    pub(super) flight: FlightRef,
    pub(super) edge: Option<Box<Edge>>,
    /// The caller's own, which the flight gets when its turn comes.
    pub(super) key: K,
    /// The one that runs.
    pub(super) ahead: FlightRef,
    /// What observers are told of that, if its task polls the work from now on.
    pub(super) moved: Option<EventReport<'a>>,
}

/// A flight that has been joined.
#[must_use = "perhaps a task waits to be started"]
pub(super) struct Followed {
    /// From now on the flight's task polls the work.
    pub(super) moves: bool,
}

/// What is to be done after a follower has left.
#[must_use = "a waker waits to be dropped, and perhaps work"]
pub(super) enum Left<'a, K, T> {
    /// Others are still on the flight, or it has ended: only the follower's own waker is to be dropped. This is a case
    /// of its own since it is small, and many may leave at once.
    Others(Option<Waker>),
    /// It was the flight's last caller.
    Last(Box<AfterUnlock<'a, K, T>>),
}

impl<K, T> Left<'_, K, T> {
    #[inline]
    pub(super) fn run(self) {
        match self {
            Self::Others(waker) => drop(waker),
            Self::Last(after) => after.run_for_others(),
        }
    }
}
