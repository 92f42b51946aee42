//! What belongs to the leader's task, and goes with the work when that moves to the flight's: the span that is current,
//! and what a scope puts round the work.

mod adapter;
mod span;

use std::{fmt, pin::Pin, sync::Arc};

pub(crate) use self::adapter::InContext;
use self::span::CallSpan;

/// `futures_util::future::BoxFuture<'static, ()>`, spelled out.
type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

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

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// What a call's work takes along: made by the caller before any lock is taken, since a subscriber's code and a scope's
/// clone run in it (invariant 6).
#[derive(Debug, Default)]
pub(crate) struct Context {
    span: CallSpan,
    scope: Option<Scope>,
}

impl Context {
    /// Returns the context of the call that is being made.
    #[inline]
    pub(crate) fn of_call(scope: Option<&Scope>) -> Self {
        Self { span: CallSpan::current(), scope: scope.cloned() }
    }

    /// Returns whether a scope waits for the work's first poll.
    pub(crate) fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }
}
