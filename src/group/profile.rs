//! A caller, as a group's observers see it.

use crate::{
    Reason,
    observe::{LeaderCall, Watch},
};

/// What a group's observers are told of a caller, beside what it becomes.
#[derive(Clone, Copy)]
pub(crate) struct Profile<'a> {
    /// It has been counted: it followed another flight before, which could not serve it.
    pub(crate) again: bool,
    /// The call as the observers see it.
    pub(crate) watch: &'a Watch,
    /// Why it may not join a flight, where it may only lead one.
    pub(crate) leads_by: Option<&'static str>,
    /// When and where it called; its flight keeps a clone, if it leads one.
    pub(crate) call: &'a LeaderCall,
}

impl<'a> Profile<'a> {
    /// Returns that of a caller that calls for the first time.
    pub(super) fn of(watch: &'a Watch) -> Self {
        Self { again: false, watch, leads_by: None, call: watch.call() }
    }

    /// Tells that the caller goes alone.
    #[cold]
    pub(super) fn tell_alone(&self, reason: Reason) {
        // A caller that calls again was released by its layer, which has told of it.
        if !self.again {
            let by = self.leads_by.filter(|_| reason == Reason::MayNotJoin);
            self.watch.alone(reason, by.unwrap_or(reason.name()));
        }
    }
}
