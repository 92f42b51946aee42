//! The URI before a router stripped it: the one seam of the `axum` feature.

use http::{Uri, request};

/// Below `nest("/{tenant}", api)` all tenants ask for the same stripped path; the original tells them apart (S2).
#[cfg(feature = "axum")]
#[inline]
pub(in crate::http) fn original_uri(parts: &request::Parts) -> Option<&Uri> {
    let original = parts.extensions.get::<axum::extract::OriginalUri>()?;
    Some(&original.0)
}

#[cfg(not(feature = "axum"))]
pub(in crate::http) fn original_uri(_: &request::Parts) -> Option<&Uri> {
    None
}
