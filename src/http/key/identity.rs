//! Typed key parts: who asks, as an auth layer found out (S25).

use std::{
    any::{Any, type_name},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::request;

/// A value of any type, compared by type and value.
#[derive(Clone)]
pub(super) struct Identity(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn same(&self, other: &dyn Any) -> bool;
    fn feed(&self, state: &mut dyn Hasher);
    fn type_name(&self) -> &'static str;
}

impl<I: Hash + Eq + Send + Sync + 'static> Erased for I {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<I>().is_some_and(|other| self == other)
    }

    fn feed(&self, mut state: &mut dyn Hasher) {
        self.type_id().hash(&mut state);
        self.hash(&mut state);
    }

    fn type_name(&self) -> &'static str {
        type_name::<I>()
    }
}

impl Identity {
    pub(super) fn type_name(&self) -> &'static str {
        (*self.0).type_name()
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.same((*other.0).as_any())
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.feed(state);
    }
}

type Read = dyn Fn(&request::Parts) -> Option<Identity> + Send + Sync;

/// How to find one identity of a request.
#[derive(Clone)]
pub(super) struct IdentityFn(Arc<Read>);

impl IdentityFn {
    pub(super) fn new<F, I>(read: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<I> + Send + Sync + 'static,
        I: Hash + Eq + Send + Sync + 'static,
    {
        Self(Arc::new(move |parts| read(parts).map(|value| Identity(Arc::new(value)))))
    }

    pub(super) fn read(&self, parts: &request::Parts) -> Option<Identity> {
        (self.0)(parts)
    }
}

impl fmt::Debug for IdentityFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityFn")
    }
}
