//! The settings of a dry run.

use std::{fmt, sync::Arc};

use http::HeaderName;

use super::difference::{Difference, OnDifference};
use crate::dry_run::Sample;

/// The settings of a dry run, in which a layer only tries what it would do; see
/// [`HttpSingleflightLayer::dry_run`](crate::HttpSingleflightLayer::dry_run).
///
/// # Examples
///
/// ```
/// use tower_singleflight::{HttpSingleflightLayer, http::DryRun};
///
/// let dry_run = DryRun::new()
///     .sample(1, 100) // one target in a hundred is watched
///     .watched(1024) // and at most so many shadow flights at once
///     .compare(64 << 10) // of each answer the first 64 KiB are compared
///     .ignore_response_header("x-served-by"); // names the server, so it differs from one answer to the next
/// let layer = HttpSingleflightLayer::new().dry_run(dry_run);
/// # drop(layer);
/// ```
#[derive(Clone)]
#[must_use]
pub struct DryRun {
    pub(super) sample: Sample,
    pub(super) compare: u64,
    pub(super) watched: usize,
    pub(super) ignored: Vec<HeaderName>,
    pub(super) on_difference: Option<OnDifference>,
}

impl DryRun {
    /// Returns a dry run that watches every request.
    pub fn new() -> Self {
        Self { sample: Sample::ALL, compare: 1 << 20, watched: 4096, ignored: Vec::new(), on_difference: None }
    }

    /// Watches `n` targets of every `m`, each with all of its `GET` and `HEAD` requests. A target is a path and its query; with
    /// [`ignore_query`](crate::HttpSingleflightLayer::ignore_query) it is a path alone. A hash that is keyed at random
    /// chooses them, for the life of the layer value; a request that is not watched costs little more than that hash. Of
    /// requests with other methods, or with content, `n` keys of every `m` are watched.
    ///
    /// `sample(0, m)` and `sample(n, 0)` watch none; an `n` above `m` watches all. A route that has few targets may not be in
    /// the sample at all: watch such a one with `sample(1, 1)`.
    pub fn sample(mut self, n: u32, m: u32) -> Self {
        self.sample = Sample { n, m };
        self
    }

    /// Sets how much of each answer's content is compared, in bytes (default 1 MiB). What is equal up to there and goes on
    /// counts as not compared, never as the same.
    pub fn compare(mut self, bytes: u64) -> Self {
        self.compare = bytes;
        self
    }

    /// Sets how many shadow flights are watched at most (default 4096); of requests it is sixteen times as many, in 24 KiB
    /// for each flight. A request that finds no place is not watched, and the report counts it.
    pub fn watched(mut self, flights: usize) -> Self {
        self.watched = flights;
        self
    }

    /// Leaves a field of answers out of the comparison, beside `date`, `age`, `server-timing`, `x-request-id`,
    /// `traceparent`, `ratelimit-*`, and what followers do not get.
    ///
    /// # Panics
    ///
    /// Panics if the name is no field name.
    #[track_caller]
    pub fn ignore_response_header(mut self, name: &str) -> Self {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => self.ignored.push(name),
            Err(_) => panic!("{name:?} is no field name"),
        }
        self
    }

    /// Sets a callback that is told of each difference, in the task of the caller whose answer has just ended: a slow
    /// callback slows that caller.
    ///
    /// A callback that panics is never called again, which the report says; no caller sees the panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{HttpSingleflightLayer, http::DryRun};
    ///
    /// let dry_run = DryRun::new().on_difference(|difference| {
    ///     let inputs: Vec<_> = difference.inputs().map(|input| input.name()).collect();
    ///     eprintln!("{}: {:?} differ, and so do {inputs:?}", difference.route(), difference.parts());
    /// });
    /// let layer = HttpSingleflightLayer::new().dry_run(dry_run);
    /// # drop(layer);
    /// ```
    pub fn on_difference<F>(mut self, on_difference: F) -> Self
    where
        F: Fn(&Difference) + Send + Sync + 'static,
    {
        self.on_difference = Some(Arc::new(on_difference));
        self
    }

    /// Returns whether a key or a path of this hash is watched.
    pub(super) fn watches(&self, hash: u64) -> bool {
        self.sample.watches(hash)
    }
}

impl Default for DryRun {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DryRun")
            .field("sample", &(self.sample.n, self.sample.m))
            .field("compare", &self.compare)
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}
