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
    rare::Rare,
};

/// A request that is observed. It ends with one event, at the latest when it is dropped.
pub(super) struct HttpWatch(Watch);

impl HttpWatch {
    /// Begins as the request comes: all who observe the layer now are told of it.
    #[inline(never)]
    pub(super) fn begin(observers: &HttpObservers, label: Option<Arc<str>>) -> Rare<Self> {
        Some(Box::new(Self(Watch::begin(observers.of_flights(), label)))).into()
    }

    /// Returns what the group tells its observers of the caller.
    pub(super) fn profile(&self) -> Profile<'_> {
        self.profile_of(false, self.0.call())
    }

    /// Returns a second call of the caller's.
    pub(super) fn call_again(&self) -> LeaderCall {
        self.0.call().again()
    }

    /// Returns what the group tells its observers of a second call of the caller's.
    pub(super) fn profile_again<'a>(&'a self, call: &'a LeaderCall) -> Profile<'a> {
        self.profile_of(true, call)
    }

    fn profile_of<'a>(&'a self, again: bool, call: &'a LeaderCall) -> Profile<'a> {
        Profile { again, watch: &self.0, leads_by: Some(Rule::S13Reload.name()), call }
    }

    /// Returns the part in which the group notes that the caller itself has landed its flight.
    #[inline]
    pub(super) fn of_flight(&mut self) -> &mut Watch {
        &mut self.0
    }

    /// A rule sends the request alone. `observers`: the layer's, to which the watch keeps no counted pointer.
    pub(super) fn bypassed(&self, observers: &HttpObservers, reason: Reason, rule: Rule) {
        self.0.alone(reason, rule.name());
        self.kept_apart(observers, rule);
    }

    /// Tells that a rule kept the request from the flight that there is. The group has told already that it goes alone.
    pub(super) fn kept_apart(&self, observers: &HttpObservers, rule: Rule) {
        observers.tell(self.0.told(), &HttpEvent::Bypassed { rule, label: self.0.label() });
    }

    /// Returns which observers are told of the request, from the first on, and its label.
    pub(super) fn told(&self) -> (usize, Option<&str>) {
        (self.0.told(), self.0.label())
    }

    /// A follower goes alone after all.
    pub(super) fn released(&self, observers: &HttpObservers, reason: Reason, rule: Option<Rule>) {
        self.0.released(reason, rule.map_or(reason.name(), Rule::name));
        if let Some(rule) = rule {
            observers.tell(self.0.told(), &HttpEvent::Released { rule, label: self.0.label() });
        }
    }

    /// The request is answered, and its watch is over.
    #[inline(never)]
    pub(super) fn answered(watch: &mut Rare<Self>, role: Role, callers: usize) {
        if let Some(watch) = watch.take() {
            watch.0.answered(role, callers);
        }
    }
}

/// Tells that a request has panicked in a poll. To be forgotten once the poll has returned: it would not do to ask
/// whether the thread unwinds, since a `Drop` that runs meanwhile may poll a request.
pub(super) struct TellOnPanic<'a>(pub(super) &'a mut Rare<HttpWatch>);

impl TellOnPanic<'_> {
    #[cold]
    fn tell(&mut self) {
        if let Some(watch) = self.0.take() {
            watch.0.panicked();
        }
    }
}

impl Drop for TellOnPanic<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.tell();
        }
    }
}
