//! The labels by which observers tell requests apart.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use http::request;

use crate::observe::{
    Observed, Observers,
    label::{capped, cut},
};

type LabelFn = dyn Fn(&request::Parts) -> Option<Cow<'static, str>> + Send + Sync;

/// The labels that a layer has given, one copy of each.
#[derive(Clone)]
pub(super) struct Labels {
    /// Asked no more once it has panicked.
    label: Arc<Observed<LabelFn>>,
    /// A leaf lock: no user code runs while it is held.
    known: Arc<Mutex<HashSet<Arc<str>>>>,
}

impl Labels {
    pub(super) fn new<F>(label: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    {
        Self { label: Observed::new(label), known: Arc::default() }
    }

    /// Returns the label of a request, if it has one. `observers` are those that will be told it; they count a panic of
    /// it.
    pub(super) fn of(&self, parts: &request::Parts, observers: &Observers) -> Option<Arc<str>> {
        let label = observers.ask(&self.label, |label| label(parts))??;
        let label = cut(&label);
        if label.is_empty() {
            return None;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(label) {
            return Some(Arc::clone(known));
        }
        let label: Arc<str> = capped(label, known.len()).into();
        known.insert(Arc::clone(&label));
        Some(label)
    }
}

impl Default for Labels {
    /// Calls a request by its route, where that is known.
    fn default() -> Self {
        Self::new(route)
    }
}

#[cfg(feature = "axum")]
fn route(parts: &request::Parts) -> Option<Cow<'static, str>> {
    let path = parts.extensions.get::<axum::extract::MatchedPath>()?;
    Some(Cow::Owned(path.as_str().to_owned()))
}

#[cfg(not(feature = "axum"))]
fn route(_: &request::Parts) -> Option<Cow<'static, str>> {
    None
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labels").finish_non_exhaustive()
    }
}
