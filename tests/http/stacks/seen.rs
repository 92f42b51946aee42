//! The group under test, and what is to be seen of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use http::Request;
use tower_singleflight::{Group, HttpSingleflightLayer, SingleflightLayer, http::HttpGroup};

/// What the cases ask of a group.
pub(crate) trait Flights: Send + Sync {
    fn callers(&self, key: &str) -> usize;
    fn none(&self) -> bool;
    /// How many calls of the layer have ended with an outcome.
    fn outcomes(&self) -> usize;
}

/// A group, and how many outcomes it had.
#[derive(Clone)]
pub(crate) struct Seen<T> {
    group: Group<String, T>,
    outcomes: Arc<AtomicUsize>,
}

impl<T> Seen<T> {
    pub(crate) fn new() -> Self {
        Self { group: Group::new(), outcomes: Arc::default() }
    }

    /// The layer as users write it, with its group given.
    pub(crate) fn layer<F>(&self, key_fn: F) -> SingleflightLayer<F, String, T> {
        let outcomes = Arc::clone(&self.outcomes);
        SingleflightLayer::new(key_fn).group(self.group.clone()).inspect(move |_, _| {
            outcomes.fetch_add(1, SeqCst);
        })
    }
}

impl<T: Send + Sync> Flights for Seen<T> {
    fn callers(&self, key: &str) -> usize {
        self.group.callers(key)
    }

    fn none(&self) -> bool {
        self.group.is_empty()
    }

    fn outcomes(&self) -> usize {
        self.outcomes.load(SeqCst)
    }
}

/// The middle way: the layer that keeps the rules of HTTP, with a key function of the user's own.
#[derive(Clone)]
pub(crate) struct Middle {
    group: HttpGroup,
    outcomes: Arc<AtomicUsize>,
}

impl Middle {
    pub(crate) fn new() -> Self {
        Self { group: HttpGroup::new(), outcomes: Arc::default() }
    }

    pub(crate) fn layer(&self) -> HttpSingleflightLayer {
        let outcomes = Arc::clone(&self.outcomes);
        HttpSingleflightLayer::new()
            .key_fn(|parts| Some(parts.uri.path().to_owned()))
            .group(self.group.clone())
            .inspect(move |_, _| {
                outcomes.fetch_add(1, SeqCst);
            })
    }
}

impl Flights for Middle {
    fn callers(&self, key: &str) -> usize {
        let (parts, ()) = Request::get(key).body(()).expect("a path").into_parts();
        self.layer().key(&parts).map_or(0, |key| self.group.callers(&key))
    }

    fn none(&self) -> bool {
        self.group.is_empty()
    }

    fn outcomes(&self) -> usize {
        self.outcomes.load(SeqCst)
    }
}
