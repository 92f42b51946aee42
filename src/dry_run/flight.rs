//! A flight that there would be: who follows, and with what it lands.

use std::sync::Arc;

use crate::sync::{Mutex, lock};

/// How many of a flight's followers are compared with its leader: an outcome may be kept of each.
const COMPARED: usize = 16;

/// A flight that there would be. Its followers keep it until they have ended.
pub(super) struct Flight<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Live followers.
    followers: u64,
    /// How many have joined that are compared.
    compared: usize,
    landed: Landed<T>,
    /// The outcomes of followers that came before the leader's.
    early: Vec<Arc<T>>,
}

/// With what a flight has landed.
pub(super) enum Landed<T> {
    NotYet,
    With(Arc<T>),
    /// Nothing is compared: the leader has left, or keeps its outcome.
    WithNothing,
}

impl<T> Flight<T> {
    pub(super) fn new() -> Self {
        let state = State { followers: 0, compared: 0, landed: Landed::NotYet, early: Vec::new() };
        Self { state: Mutex::new(state) }
    }

    /// A follower joins; returns whether it is compared.
    pub(super) fn join(&self) -> bool {
        let mut state = lock(&self.state);
        state.followers += 1;
        state.compared += 1;
        state.compared <= COMPARED
    }

    /// A follower leaves; returns whether the flight has not landed.
    pub(super) fn leave(&self) -> bool {
        let mut state = lock(&self.state);
        let is_under_way = matches!(state.landed, Landed::NotYet);
        state.followers -= u64::from(is_under_way);
        is_under_way
    }

    pub(super) fn followers(&self) -> u64 {
        lock(&self.state).followers
    }

    /// Lands with this; returns how many followers there are, and the outcomes of those that came before.
    pub(super) fn land(&self, with: Landed<T>) -> (u64, Vec<Arc<T>>) {
        let mut state = lock(&self.state);
        state.landed = with;
        (state.followers, std::mem::take(&mut state.early))
    }

    /// Returns with what it has landed; before that, keeps a follower's outcome if there is one.
    pub(super) fn landed(&self, own: Option<&Arc<T>>) -> Landed<T> {
        let mut state = lock(&self.state);
        match &state.landed {
            Landed::NotYet => {
                state.early.extend(own.cloned());
                Landed::NotYet
            }
            Landed::With(outcome) => Landed::With(Arc::clone(outcome)),
            Landed::WithNothing => Landed::WithNothing,
        }
    }
}
