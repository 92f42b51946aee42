//! One request as its layer's observers see it.

use std::sync::Arc;

use super::{
    observe::{HttpEvent, HttpObservers},
    rule::Rule,
};
use crate::{
    Reason, Role,
    group::Profile,
    observe::{LeaderCall, Watch},
};

/// A request that is observed. It ends with one event, at the latest when it is dropped.
pub(super) struct HttpWatch {
    observers: Arc<HttpObservers>,
    watch: Watch,
}

impl HttpWatch {
    /// Begins with the call. In an `Arc`, though it has one owner: the drop of an `Arc` is not inlined, while that of a `Box` was
    /// and took 40 instructions of each request that nobody observes.
    pub(super) fn begin(observers: &Arc<HttpObservers>, label: Option<Arc<str>>) -> Arc<Self> {
        Arc::new(Self { observers: Arc::clone(observers), watch: Watch::begin(observers.of_flights(), label) })
    }

    pub(super) fn label(&self) -> Option<&str> {
        self.watch.label()
    }

    /// Returns what the group tells its observers of the caller.
    pub(super) fn profile(&self) -> Profile<'_> {
        self.profile_of(false, self.watch.call())
    }

    /// Returns a second call of the caller's.
    pub(super) fn call_again(&self) -> Arc<LeaderCall> {
        self.watch.call().again()
    }

    /// Returns what the group tells its observers of a second call of the caller's.
    pub(super) fn profile_again<'a>(&'a self, call: &'a Arc<LeaderCall>) -> Profile<'a> {
        self.profile_of(true, call)
    }

    fn profile_of<'a>(&'a self, again: bool, call: &'a Arc<LeaderCall>) -> Profile<'a> {
        Profile { again, watch: &self.watch, leads_by: Some(Rule::S13Reload.name()), call }
    }

    /// A rule sends the request alone.
    pub(super) fn bypassed(&self, reason: Reason, rule: Rule) {
        self.watch.alone(reason, rule.name());
        self.kept_apart(rule);
    }

    /// A rule kept the request from the flight that there is, and the group has told that it goes alone.
    pub(super) fn kept_apart(&self, rule: Rule) {
        self.observers.tell(&HttpEvent::Bypassed { rule, label: self.label() });
    }

    /// A follower goes alone after all.
    pub(super) fn released(&self, reason: Reason, rule: Option<Rule>) {
        self.watch.released(reason, rule.map_or(reason.name(), Rule::name));
        if let Some(rule) = rule {
            self.observers.tell(&HttpEvent::Released { rule, label: self.label() });
        }
    }

    /// The request is answered, and its watch is over.
    #[cold]
    pub(super) fn answered(watch: &mut Option<Arc<Self>>, role: Role, callers: usize) {
        if let Some(watch) = watch.take().and_then(Arc::into_inner) {
            watch.watch.answered(role, callers);
        }
    }
}

/// Says of a request that is polled that it has panicked. To be forgotten once the poll has returned: whether the thread
/// unwinds would not tell, since a request may be polled by a `Drop` that runs meanwhile.
pub(super) struct OnPanic<'a>(pub(super) &'a mut Option<Arc<HttpWatch>>);

impl OnPanic<'_> {
    #[cold]
    fn tell(&mut self) {
        if let Some(watch) = self.0.take().and_then(Arc::into_inner) {
            watch.watch.panicked();
        }
    }
}

impl Drop for OnPanic<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.tell();
        }
    }
}
