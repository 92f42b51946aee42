//! Flights of this process whose outcome is seen, though the engine has not said that nobody joins them any more.

use std::sync::{Arc, Weak};

use super::Token;
use crate::sync::{Mutex, lock};

/// The flights that were closed, and whose closing took longer than the budget.
#[derive(Default)]
pub(super) struct Unclosed(Mutex<Vec<(Token, Weak<Ending>)>>);

/// Held by the task that ends a flight, for as long as that takes.
pub(super) struct Ending;

impl Unclosed {
    /// Notes that callers see the outcome of a flight from now on.
    pub(super) fn enter(&self, token: Token, ending: &Weak<Ending>) {
        let mut flights = lock(&self.0);
        flights.retain(|(_, ending)| ending.strong_count() > 0);
        flights.push((token, Weak::clone(ending)));
    }

    /// Returns whether callers of this process may have had the outcome of that flight, although it can be joined still.
    pub(super) fn contains(&self, token: Token) -> bool {
        let mut flights = lock(&self.0);
        flights.retain(|(_, ending)| ending.strong_count() > 0);
        flights.iter().any(|(flight, _)| *flight == token)
    }
}

impl Ending {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}
