//! The outcome of a shared flight, as all its callers but the leader get it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    flight_ref::FlightRef,
    work::{BoxedWork, Note},
};
use crate::{
    Outcome, Reason, Role, Stats,
    panic::{Payload, Text, discard},
};

/// Made when the first follower joins. Written once, at the landing and under the shard's lock (invariants 3, 11);
/// afterwards followers read it without that lock, so that a landing with many followers does not queue them.
pub(crate) struct SharedOutcome<T, S> {
    told: OnceLock<Told<T>>,
    /// Where the flight is, and in which shard: here, so that not each follower has to hold them. The type of the shard is a
    /// parameter, since shards stand above their flights.
    pub(super) flight: FlightRef,
    pub(super) shard: Arc<S>,
    /// The group's count of followers that get no value, since the user's code panics.
    unserved: Arc<AtomicU64>,
}

/// How a flight ended, as it is told to all: made of an `Ending`, or of none where the flight is lost. The leader reads it only
/// if everybody got the value.
pub(super) enum Told<T> {
    /// Everybody gets the value.
    Shared { value: T, callers: usize },
    /// The leader alone gets the value, unless it left; followers go alone, with the note of the work.
    NotShareable(Option<Note>),
    /// The leader gets the payload, the others its text.
    Panicked(Text),
    /// There is no outcome: followers go alone.
    Lost,
}

impl<T> Told<T> {
    /// Returns the count in which followers are that are told this; `None`: they count as saved.
    pub(super) fn count<'a>(&self, stats: &'a mut Stats) -> Option<&'a mut u64> {
        match self {
            Self::Shared { .. } => None,
            Self::NotShareable(_) | Self::Lost => Some(&mut stats.released),
            Self::Panicked(_) => Some(&mut stats.panicked),
        }
    }
}

/// What one caller gets of the end: `Told` is for all, and this for one.
pub(super) enum CallerPart<T, S> {
    Value(PartValue<T, S>),
    /// To be raised again.
    Panic(Payload),
    /// The caller runs its own work; with the note of the work whose value it may not have.
    Alone(Reason, Option<Note>),
}

impl<T, S> CallerPart<T, S> {
    /// Returns what the wait came to, in a word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Value(_) => "shared",
            Self::Panic(_) => "panicked",
            Self::Alone(reason, _) => reason.name(),
        }
    }
}

/// The value of a [`CallerPart`], still where it landed: taking it runs the user's `Clone` and `Drop`, and comes last.
pub(crate) enum PartValue<T, S> {
    /// In the ended work, for one caller alone.
    Own(BoxedWork<T>),
    /// For all.
    Shared(Arc<SharedOutcome<T, S>>),
}

impl<T, S> SharedOutcome<T, S> {
    pub(super) fn new(flight: FlightRef, shard: Arc<S>, unserved: &Arc<AtomicU64>) -> Self {
        Self { told: OnceLock::new(), flight, shard, unserved: Arc::clone(unserved) }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.get().is_some()
    }

    /// Takes back what a follower was counted as when it was told, if it was; returns whether it was.
    pub(super) fn uncount(&self, stats: &mut Stats) -> bool {
        let Some(told) = self.told.get() else { return false };
        if let Some(count) = told.count(stats) {
            *count -= 1;
        }
        true
    }

    /// Says how the flight ended. A flight ends once.
    pub(super) fn tell(&self, how: Told<T>) {
        let told = self.told.set(how).is_ok();
        debug_assert!(told, "a flight ends once");
    }

    /// Says what the end is for one caller.
    pub(super) fn part(self: Arc<Self>) -> CallerPart<T, S> {
        match self.told.get() {
            Some(Told::Shared { .. }) => CallerPart::Value(PartValue::Shared(self)),
            Some(Told::Panicked(text)) => CallerPart::Panic(text.clone().into_payload()),
            Some(Told::NotShareable(note)) => CallerPart::Alone(Reason::NotShareable, note.clone()),
            Some(Told::Lost) | None => CallerPart::Alone(Reason::Lost, None),
        }
    }
}

impl<T: Clone, S> PartValue<T, S> {
    /// Gives one caller the value, and drops the work that it had ready. Never called under a lock (invariant 6).
    #[inline]
    pub(crate) fn take<W>(self, role: Role, unneeded: Option<W>) -> Outcome<T> {
        match self {
            Self::Own(work) => Outcome { value: work.into_value(), role, callers: 1 },
            Self::Shared(outcome) => outcome.take(role, unneeded),
        }
    }
}

impl<T: Clone, S> SharedOutcome<T, S> {
    /// Gives one caller the value; the last one needs no clone.
    fn take<W>(self: Arc<Self>, role: Role, unneeded: Option<W>) -> Outcome<T> {
        let mut on_panic = OnPanic { outcome: Some(self), role };
        drop(unneeded);
        let others = on_panic.outcome.as_ref().filter(|outcome| Arc::strong_count(outcome) > 1);
        if let Some(Told::Shared { value, callers }) = others.and_then(|outcome| outcome.told.get()) {
            let copy = Outcome { value: value.clone(), role, callers: *callers };
            // The others may have gone meanwhile, so that this drops the value. The caller has its copy, and is failed by no
            // panic of that.
            discard(on_panic.outcome.take());
            return copy;
        }
        match on_panic.outcome.take().and_then(|outcome| Arc::into_inner(outcome)?.told.into_inner()) {
            Some(Told::Shared { value, callers }) => Outcome { value, role, callers },
            _ => unreachable!("only a value is shared"),
        }
    }
}

/// Counts a follower that gets no value, since the user's code panics. Then it drops the outcome: if this was the last
/// hold on the value, its drop may panic as well, and two panics at once would end the process. Taking the outcome
/// disarms the guard.
struct OnPanic<T, S> {
    outcome: Option<Arc<SharedOutcome<T, S>>>,
    role: Role,
}

impl<T, S> Drop for OnPanic<T, S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            panicked(outcome, self.role);
        }
    }
}

#[cold]
fn panicked<T, S>(outcome: Arc<SharedOutcome<T, S>>, role: Role) {
    outcome.unserved.fetch_add(u64::from(role == Role::Follower), Relaxed);
    discard(outcome);
}
