//! Writes that the engine does not know of yet: until it does, flights of their scopes stay in the process.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::FenceScope;
use crate::sync::{Mutex, lock};

/// This many scopes at most are told at a time. With more, the whole process runs without the fleet for `lead_limit`.
const MOST: usize = 1024;

/// The writes that the engine does not know of yet.
#[derive(Default)]
pub(super) struct Untold {
    /// Whether there may be any: most calls look no further.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The scopes that are being told.
    scopes: HashMap<FenceScope, Telling>,
    /// Until when everything counts as untold: there was no room for one more.
    all_until: Option<Instant>,
}

/// A scope that is being told.
struct Telling {
    /// How many writes there have been.
    writes: u64,
    /// How many of them the engine knows of.
    told: watch::Sender<u64>,
    /// Until when telling them is tried.
    until: Instant,
    /// A task tells the engine.
    has_task: bool,
}

impl Untold {
    /// Returns whether flights of this scope stay in the process.
    pub(super) fn contains(&self, scope: FenceScope) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let (state, now) = (lock(&self.state), Instant::now());
        state.all_until.is_some_and(|until| now < until)
            || state.scopes.get(&scope).is_some_and(|telling| now < telling.until)
    }

    /// Returns how many scopes stay in the process now; one more than fit in if all do.
    pub(super) fn count(&self) -> usize {
        if !self.any.load(Ordering::Acquire) {
            return 0;
        }
        let (state, now) = (lock(&self.state), Instant::now());
        if state.all_until.is_some_and(|until| now < until) {
            return MOST + 1;
        }
        state.scopes.values().filter(|telling| now < telling.until).count()
    }

    /// Notes a write. Returns its acknowledgement, and whether a task that tells the engine is to be started; `None` if
    /// there is no room. `can_start`: there is a runtime for the task.
    pub(super) fn enter(&self, scope: FenceScope, limit: Duration, can_start: bool) -> Option<(Acknowledgement, bool)> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        self.any.store(true, Ordering::Release);
        if state.scopes.len() >= MOST && !state.scopes.contains_key(&scope) {
            state.scopes.retain(|_, telling| telling.has_task || now < telling.until);
            if state.scopes.len() >= MOST {
                state.all_until = Some(now + limit);
                return None;
            }
        }
        let told = || watch::Sender::new(0);
        let new = || Telling { writes: 0, told: told(), until: now, has_task: false };
        let telling = state.scopes.entry(scope).or_insert_with(new);
        telling.writes += 1;
        telling.until = now + limit;
        let starts = can_start && !telling.has_task;
        telling.has_task |= starts;
        Some((Acknowledgement { told: telling.told.subscribe(), write: telling.writes }, starts))
    }

    /// Returns how many writes there have been, and until when telling them is tried.
    pub(super) fn writes(&self, scope: FenceScope) -> Option<(u64, Instant)> {
        lock(&self.state).scopes.get(&scope).map(|telling| (telling.writes, telling.until))
    }

    /// Notes that the engine knows of so many writes; returns whether these are all.
    pub(super) fn told(&self, scope: FenceScope, writes: u64) -> bool {
        let mut state = lock(&self.state);
        let Some(telling) = state.scopes.get(&scope) else { return true };
        telling.told.send_replace(writes);
        let is_done = telling.writes == writes;
        if is_done {
            self.remove(&mut state, scope);
        }
        is_done
    }

    /// Notes that no task tells the engine any more. A scope whose time is not over stays in the process.
    pub(super) fn give_up(&self, scope: FenceScope) {
        let mut state = lock(&self.state);
        match state.scopes.get_mut(&scope) {
            Some(telling) if Instant::now() < telling.until => telling.has_task = false,
            _ => self.remove(&mut state, scope),
        }
    }

    fn remove(&self, state: &mut State, scope: FenceScope) {
        state.scopes.remove(&scope);
        state.all_until = state.all_until.filter(|until| Instant::now() < *until);
        if state.scopes.is_empty() && state.all_until.is_none() {
            self.any.store(false, Ordering::Release);
        }
    }
}

/// One write, until the engine knows of it.
pub(super) struct Acknowledgement {
    pub(super) told: watch::Receiver<u64>,
    pub(super) write: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_scopes_that_stay_are_counted_and_all_of_them_are_one_more_than_fit_in() {
        let (untold, limit) = (Untold::default(), Duration::from_secs(60));
        let scope = |number: usize| FenceScope::from((number as u128).to_le_bytes());
        assert_eq!(untold.count(), 0);
        for number in [0, 1, 0] {
            assert!(untold.enter(scope(number), limit, true).is_some());
        }
        assert_eq!(untold.count(), 2);
        assert!(untold.told(scope(1), 1));
        assert_eq!(untold.count(), 1);
        for number in 1..MOST {
            untold.enter(scope(number), limit, true);
        }
        assert_eq!(untold.count(), MOST);
        assert!(untold.enter(scope(MOST), limit, true).is_none());
        assert_eq!(untold.count(), MOST + 1);
        tokio::time::advance(limit).await;
        assert_eq!(untold.count(), 0, "all flights from before have ended");
    }
}
