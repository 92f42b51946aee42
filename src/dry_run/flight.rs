//! A flight that there would be: who follows, and with what it lands.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    Limits,
    sync::{Mutex, lock},
};

/// How many of a flight's followers are compared with its leader: an outcome may be kept of each.
const COMPARED: usize = 16;

/// A flight that there would be. Its followers keep it until they have ended.
pub(super) struct Flight<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// The leader's own call has been polled.
    begun: bool,
    /// When the live followers that wait with a limit joined, in order.
    joined: Vec<Instant>,
    /// How many live followers wait without a limit.
    unlimited: u64,
    /// How many followers have ever joined; the first [`COMPARED`] of them are compared.
    compared: usize,
    landed: Landed<T>,
    /// The outcomes of followers that came before the leader's.
    early: Vec<(Wait, Arc<T>)>,
}

/// A follower's wait: when it joined, and how long it waits at most; `None`: as long as it takes.
pub(super) type Wait = Option<(Instant, Duration)>;

/// With what a flight has landed.
pub(super) enum Landed<T> {
    NotYet,
    /// With the leader's outcome, at this moment.
    With(Arc<T>, Instant),
    /// Nothing is compared: the leader has left, or keeps its outcome.
    WithNothing,
}

/// Whether a call that finds a flight may follow it.
pub(super) struct Admitted {
    /// `Some` if it follows: whether its outcome is compared with the leader's.
    pub(super) compared: Option<bool>,
    /// How many followers were found to have waited for too long.
    pub(super) late: u64,
}

/// What becomes of followers as their flight lands.
pub(super) struct Landing<T> {
    /// How many have its outcome.
    pub(super) followers: u64,
    /// How many had waited for too long before.
    pub(super) late: u64,
    /// The outcomes of those that came before, and are compared.
    pub(super) early: Vec<Arc<T>>,
    /// The outcomes of followers that had waited for too long, which are not compared.
    pub(super) unused: Vec<Arc<T>>,
}

impl<T> Flight<T> {
    pub(super) fn new() -> Self {
        let state = State {
            begun: false,
            joined: Vec::new(),
            unlimited: 0,
            compared: 0,
            landed: Landed::NotYet,
            early: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    /// The leader's own call is about to be polled.
    pub(super) fn begins(&self) {
        lock(&self.state).begun = true;
    }

    pub(super) fn has_begun(&self) -> bool {
        lock(&self.state).begun
    }

    /// Lets a follower join, if there may be one more. A follower that has waited for too long counts no more.
    pub(super) fn join(&self, wait: Wait, limits: &Limits, now: Instant) -> Admitted {
        let mut state = lock(&self.state);
        let mut late = 0;
        if state.followers() >= limits.max_followers as u64 {
            late = state.late(limits.max_wait, now) as u64;
            state.joined.drain(..late as usize);
            if state.followers() >= limits.max_followers as u64 {
                return Admitted { compared: None, late };
            }
        }
        match wait {
            Some((at, _)) => state.joined.push(at),
            None => state.unlimited += 1,
        }
        state.compared += 1;
        Admitted { compared: Some(state.compared <= COMPARED), late }
    }

    /// Lets a follower leave; returns whether the flight has not landed yet.
    pub(super) fn leave(&self, wait: Wait) -> bool {
        let mut state = lock(&self.state);
        if !matches!(state.landed, Landed::NotYet) {
            return false;
        }
        match wait {
            // It does not matter which: followers that joined at the same moment wait for equally long.
            Some((at, _)) => match state.joined.binary_search(&at) {
                Ok(number) => drop(state.joined.remove(number)),
                Err(_) => return false,
            },
            None => state.unlimited -= 1,
        }
        true
    }

    pub(super) fn has_followers(&self) -> bool {
        lock(&self.state).followers() > 0
    }

    /// Lands with this. `max_wait` is the limit of the group: followers that have waited for longer are late.
    pub(super) fn land(&self, with: Landed<T>, max_wait: Option<Duration>, now: Instant) -> Landing<T> {
        let mut state = lock(&self.state);
        state.landed = with;
        let late = state.late(max_wait, now) as u64;
        let mut landing = Landing { followers: state.followers() - late, late, early: Vec::new(), unused: Vec::new() };
        for (wait, outcome) in state.early.drain(..) {
            (if is_late(wait, now) { &mut landing.unused } else { &mut landing.early }).push(outcome);
        }
        landing
    }

    /// Returns the leader's outcome for a follower to compare with its own. Before the landing it keeps the follower's,
    /// if there is one.
    pub(super) fn landed(&self, wait: Wait, own: Option<&Arc<T>>) -> Landed<T> {
        let mut state = lock(&self.state);
        match &state.landed {
            Landed::NotYet => {
                state.early.extend(own.map(|own| (wait, Arc::clone(own))));
                Landed::NotYet
            }
            Landed::With(outcome, at) if !is_late(wait, *at) => Landed::With(Arc::clone(outcome), *at),
            Landed::With(..) | Landed::WithNothing => Landed::WithNothing,
        }
    }
}

impl<T> State<T> {
    fn followers(&self) -> u64 {
        self.joined.len() as u64 + self.unlimited
    }

    /// Returns how many have waited for too long.
    fn late(&self, max_wait: Option<Duration>, now: Instant) -> usize {
        max_wait.map_or(0, |most| self.joined.partition_point(|joined| is_late(Some((*joined, most)), now)))
    }
}

/// Returns whether a follower would have waited for too long by then, and so have made its own call.
pub(super) fn is_late(wait: Wait, now: Instant) -> bool {
    wait.is_some_and(|(at, most)| now.saturating_duration_since(at) > most)
}
