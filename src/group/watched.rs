//! A caller of a group that is observed.

use std::{
    panic::resume_unwind,
    task::{Context, Poll},
};

use crate::{Outcome, Role, observe::Watch, panic::catch};

/// A caller, and what observers see of it: round the caller, so that one that nobody observes asks for nothing.
pub(super) struct Watched<C> {
    caller: C,
    /// `None` once the call has ended.
    watch: Option<Watch>,
}

impl<C> Watched<C> {
    pub(super) fn new(caller: C, watch: Watch) -> Self {
        Self { caller, watch: Some(watch) }
    }

    pub(super) fn caller(&self) -> &C {
        &self.caller
    }

    /// Polls the caller, and tells what that comes to.
    #[cold]
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut C, &mut Context<'_>) -> Poll<Outcome<T>>,
        role: impl Fn(&C) -> Role,
    ) -> Poll<Outcome<T>> {
        let Self { caller, watch } = self;
        let before = role(caller);
        let polled = catch(|| poll(caller, cx));
        if let (Role::Follower, Role::Alone(reason), Some(watch)) = (before, role(caller), &watch) {
            watch.released(reason, reason.name());
        }
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => {
                if let Some(watch) = watch.take() {
                    watch.answered(outcome.role, outcome.callers);
                }
                Poll::Ready(outcome)
            }
            Err(payload) => {
                if let Some(watch) = watch.take() {
                    watch.panicked();
                }
                resume_unwind(payload)
            }
        }
    }
}
