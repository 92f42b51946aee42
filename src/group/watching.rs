//! Whether a group's observers watch a caller.

use std::sync::Arc;

use super::profile::Profile;
use crate::{
    Reason, Role,
    observe::{Observers, Watch},
};

/// How a group's observers see a caller; `None` if there are none, if the caller's layer watches it itself, and once the call
/// has ended.
pub(super) struct Watching(Option<Box<Watch>>);

impl Watching {
    /// The one of a caller that no observer of its group watches.
    pub(super) const NONE: Self = Self(None);

    /// Begins with the call, if anybody observes.
    #[inline]
    pub(super) fn by(observers: &Arc<Observers>) -> Self {
        Self(if observers.any().is_some() { Some(Self::begin(observers)) } else { None })
    }

    #[inline(never)]
    fn begin(observers: &Arc<Observers>) -> Box<Watch> {
        Box::new(Watch::begin(observers, None))
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(super) fn watch(&mut self) -> Option<&mut Watch> {
        self.0.as_deref_mut()
    }

    /// Returns what the group's observers, if there are any, are told of a caller that calls for the first time, and for which
    /// no layer has a label.
    #[inline]
    pub(super) fn profile(&self) -> Option<Profile<'_>> {
        self.0.as_deref().map(Profile::of)
    }

    /// Tells that the call goes alone without having looked for a flight.
    pub(super) fn alone(&self, reason: Reason) {
        if let Some(watch) = &self.0 {
            watch.alone(reason, reason.name());
        }
    }

    #[cold]
    pub(super) fn released(&self, reason: Reason) {
        if let Some(watch) = &self.0 {
            watch.released(reason, reason.name());
        }
    }

    #[inline]
    pub(super) fn answered(&mut self, role: Role, callers: usize) {
        if self.is_on() {
            self.end(role, callers);
        }
    }

    #[inline(never)]
    fn end(&mut self, role: Role, callers: usize) {
        if let Some(watch) = self.0.take() {
            watch.answered(role, callers);
        }
    }

    #[cold]
    pub(super) fn panicked(&mut self) {
        if let Some(watch) = self.0.take() {
            watch.panicked();
        }
    }

    /// A function of its own, so that where nobody watches the end of a caller is one test.
    #[cold]
    fn left(watch: Box<Watch>) {
        drop(watch);
    }
}

impl Drop for Watching {
    #[inline]
    fn drop(&mut self) {
        if let Some(watch) = self.0.take() {
            Self::left(watch);
        }
    }
}
