//! The flights whose work the thread is polling: what that work asks for under one of their names would wait for itself.
//!
//! A group sees for itself that its own work comes back to it. Where two groups of a process ask for the same, one below the
//! other, only the fleet knows.

use std::cell::RefCell;

use super::Name;
use crate::sync::thread_local;

thread_local! {
    /// From the outermost to the innermost.
    static INSIDE: RefCell<Vec<Name>> = const { RefCell::new(Vec::new()) };
}

/// The poll of work that is led under a name.
pub(super) struct Inside(bool);

impl Inside {
    pub(super) fn enter(name: Name) -> Self {
        Self(INSIDE.try_with(|inside| inside.borrow_mut().push(name)).is_ok())
    }

    /// Returns whether the thread polls work of that name.
    pub(super) fn is_current(name: Name) -> bool {
        INSIDE.try_with(|inside| inside.borrow().contains(&name)).unwrap_or_default()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if self.0 {
            let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
        }
    }
}
