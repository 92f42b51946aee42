//! What the followers of one flight hold in common: how it ended, once it has.

use std::{
    sync::{Arc, OnceLock},
    task::Context,
};

use super::{
    flight::{Flight, NeedsWaker},
    panic::{Payload, Text},
    shard::Shard,
    table::{At, Table},
    work::{BoxedWork, Note},
};
use crate::{Outcome, Reason, Role};

/// Made when the first follower joins. Those who wait find the end here without the shard's lock: a landing with many
/// callers does not make them queue.
pub(crate) struct Company<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) at: At,
    /// Set once, under the shard's lock, in the critical section that makes the flight one that nobody can join; frozen
    /// from then on (invariants 3, 11).
    end: OnceLock<End<T>>,
}

/// How a flight ended, for all but its leader; for the leader too if it landed with a value for all.
#[derive(Clone)]
pub(super) enum End<T> {
    /// Everybody gets the value.
    Shared { value: T, callers: usize },
    /// The leader alone gets the value, unless it left; followers go alone, with the note of the work.
    NotShareable(Option<Note>),
    /// The leader gets the payload, the others its text.
    Panicked(Text),
    /// There is no outcome: followers go alone.
    Lost,
}

/// What a flight has come to, for one of its callers.
pub(super) enum Fate<K, T> {
    Value(Value<K, T>),
    /// To be raised again.
    Panic(Payload),
    /// The caller runs its own work.
    Alone(Reason),
    /// The same, since it may not have the value; the company has the note.
    Unshareable(Arc<Company<K, T>>),
    /// The leader gets its work back, the flight's task having died.
    Back(BoxedWork<T>),
}

/// A value, still where it landed.
pub(crate) enum Value<K, T> {
    /// In the ended work, for one caller alone.
    Own(BoxedWork<T>),
    /// For all.
    Shared(Arc<Company<K, T>>),
}

impl<K, T> Company<K, T> {
    pub(super) fn new(shard: Arc<Shard<K, T>>, at: At) -> Arc<Self> {
        Arc::new(Self { shard, at, end: OnceLock::new() })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.get().is_some()
    }

    /// Returns the flight, which is there until it has ended.
    pub(super) fn flight<'a>(&self, table: &'a mut Table<K, T>) -> Option<&'a mut Flight<K, T>> {
        if self.has_ended() { None } else { table.get(self.at) }
    }

    /// Parks a follower until the flight ends; returns false if it has ended just now.
    pub(super) fn park(&self, parked: &mut Option<usize>, cx: &Context<'_>) -> bool {
        // As a rule it parks once, with a waker that is cloned before the lock is taken.
        let mut spare = parked.is_none().then(|| cx.waker().clone());
        loop {
            let mut table = self.shard.lock();
            let Some(flight) = self.flight(&mut table) else { return false };
            let done = flight.park_follower(parked, spare.take(), cx);
            drop(table);
            match done {
                Ok(superfluous) => {
                    drop(superfluous);
                    return true;
                }
                Err(NeedsWaker) => spare = Some(cx.waker().clone()),
            }
        }
    }

    /// Says how the flight ended. A flight ends once.
    pub(super) fn tell(&self, end: End<T>) {
        let told = self.end.set(end).is_ok();
        debug_assert!(told, "a flight ends once");
    }

    /// Says what the end is for one caller.
    pub(super) fn fate(self: Arc<Self>) -> Fate<K, T> {
        match self.end.get() {
            Some(End::Shared { .. }) => Fate::Value(Value::Shared(self)),
            Some(End::Panicked(text)) => Fate::Panic(text.clone().into_payload()),
            Some(End::NotShareable(_)) => Fate::Unshareable(self),
            Some(End::Lost) | None => Fate::Alone(Reason::Lost),
        }
    }

    /// Returns what the work told those who may not have its value.
    pub(super) fn note(&self) -> Option<Note> {
        match self.end.get() {
            Some(End::NotShareable(note)) => note.clone(),
            _ => None,
        }
    }
}

impl<K, T: Clone> Value<K, T> {
    /// Gives one caller the value; the last one needs no clone. Never called under a lock (invariant 6).
    #[inline]
    pub(crate) fn take(self, role: Role) -> Outcome<T> {
        let company = match self {
            Self::Own(mut work) => return Outcome { value: work.as_mut().take_value(), role, callers: 1 },
            Self::Shared(company) => company,
        };
        let own = if Arc::strong_count(&company) > 1 { Err(company) } else { Arc::try_unwrap(company) };
        let end = own.map_or_else(|company| company.end.get().cloned(), |company| company.end.into_inner());
        match end {
            Some(End::Shared { value, callers }) => Outcome { value, role, callers },
            _ => unreachable!("only a value is shared"),
        }
    }
}
