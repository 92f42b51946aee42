//! What is asked about.

use std::fmt;

use bytes::Bytes;
use http::request;

/// A request that is asked about: its head, as it comes to the layer, and its content, if it has some.
///
/// # Examples
///
/// ```
/// # use http::{Method, Request};
/// use tower_singleflight::{HttpSingleflightLayer, http::{Asked, Difference}};
///
/// let layer = HttpSingleflightLayer::new().methods([Method::POST]).content_key(64 << 10);
/// let (parts, ()) = Request::post("/search").body(()).unwrap().into_parts();
/// let with = |content: &'static str| Asked::new(&parts).content(content);
/// assert!(layer.explain(with("rust"), with("rust")).would_share());
/// assert_eq!(layer.explain(with("rust"), with("tower")).differences(), [Difference::Content]);
/// ```
#[derive(Clone)]
pub struct Asked<'a> {
    pub(super) parts: &'a request::Parts,
    pub(super) content: Bytes,
}

impl<'a> Asked<'a> {
    /// Returns a request without content.
    pub const fn new(parts: &'a request::Parts) -> Self {
        Self { parts, content: Bytes::new() }
    }

    /// Sets the content. Where content is no part of the key, it matters only that there is some.
    #[must_use]
    pub fn content(mut self, content: impl Into<Bytes>) -> Self {
        self.content = content.into();
        self
    }
}

impl<'a> From<&'a request::Parts> for Asked<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self::new(parts)
    }
}

/// Prints nothing of the request: it may hold credentials.
impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}
