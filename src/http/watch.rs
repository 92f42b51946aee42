//! One request as its layer's observers see it.

use std::sync::Arc;

use super::{
    observe::{HttpEvent, HttpObservers},
    rule::Rule,
};
use crate::{Reason, Role, observe::Watch};

/// A request that is observed. It ends with one event, at the latest when it is dropped.
pub(super) struct HttpWatch {
    observers: Arc<HttpObservers>,
    watch: Watch,
}

impl HttpWatch {
    /// Begins with the call; `None` if nobody observes the layer.
    #[inline]
    pub(super) fn begin(observers: &Arc<HttpObservers>, label: impl FnOnce() -> Option<Arc<str>>) -> Option<Box<Self>> {
        let watch = Watch::begin(observers.of_flights(), label)?;
        Some(Box::new(Self { observers: Arc::clone(observers), watch }))
    }

    pub(super) fn label(&self) -> Option<&str> {
        self.watch.label()
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

    pub(super) fn answered(self, role: Role, callers: usize) {
        self.watch.answered(role, callers);
    }
}

/// Says of a request that is polled that it has panicked, when it does.
pub(super) struct OnPanic<'a>(pub(super) &'a mut Option<Box<HttpWatch>>);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.0.take_if(|_| std::thread::panicking()) {
            watch.watch.panicked();
        }
    }
}
