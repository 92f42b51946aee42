//! What belongs to the leader's task, and goes with the work when that moves to the flight's: the span that is current,
//! and what a scope puts round the work.

mod adapter;
mod span;

use std::sync::Arc;

pub(crate) use self::adapter::InContext;
use self::span::CallSpan;
use crate::{rare::Rare, trace::may_be_traced};

/// What a scope is given, and returns.
type BoxFuture = futures_util::future::BoxFuture<'static, ()>;

/// What `scope` was given.
#[derive(Clone)]
pub(crate) struct Scope(Arc<dyn Fn(BoxFuture) -> BoxFuture + Send + Sync>);

impl Scope {
    pub(crate) fn new<F>(scope: F) -> Self
    where
        F: Fn(BoxFuture) -> BoxFuture + Send + Sync + 'static,
    {
        Self(Arc::new(scope))
    }
}

/// What a call's work takes along: made by the caller before any lock is taken, since a subscriber's code and a scope's
/// clone run in it (invariant 6). Most calls take nothing along, and it is one word.
#[derive(Default)]
pub(crate) struct Context(Rare<Parts>);

#[derive(Default)]
struct Parts {
    span: CallSpan,
    /// Taken out when the work is put into its context.
    scope: Option<Scope>,
}

impl Context {
    /// Returns the context of the call that is being made.
    #[inline]
    pub(crate) fn of_call(scope: Option<&Scope>) -> Self {
        if scope.is_none() && !may_be_traced() {
            return Self(Rare::NONE);
        }
        Self::of_parts(CallSpan::current(), scope)
    }

    #[cold]
    fn of_parts(span: CallSpan, scope: Option<&Scope>) -> Self {
        let is_empty = span.is_none() && scope.is_none();
        Self((!is_empty).then(|| Box::new(Parts { span, scope: scope.cloned() })).into())
    }

    /// Returns whether a scope waits for the work's first poll.
    pub(crate) fn is_scoped(&self) -> bool {
        self.0.as_ref().is_some_and(|parts| parts.scope.is_some())
    }

    fn take_scope(&mut self) -> Option<Scope> {
        self.0.as_mut()?.scope.take()
    }

    /// Makes the span that is current now that of the call.
    #[inline]
    fn settle(&mut self) {
        if self.0.is_some() || may_be_traced() {
            self.settle_span(CallSpan::current());
        }
    }

    #[cold]
    fn settle_span(&mut self, span: CallSpan) {
        match &mut *self.0 {
            Some(parts) => parts.span = span,
            None => *self = Self::of_parts(span, None),
        }
    }

    /// Runs a poll in the span.
    #[inline]
    fn run<R>(&self, poll: impl FnOnce() -> R) -> R {
        match &*self.0 {
            Some(parts) => parts.span.run(poll),
            None => poll(),
        }
    }
}
