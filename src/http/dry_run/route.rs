//! Under which name a request stands in the report.

use std::sync::Arc;

use http::request;

use crate::http::config::Config;

/// The route of a request, as the report names it.
pub(super) type Route = Arc<str>;

/// What stands for all requests of which no route is known: never a path, which clients choose.
const OTHER: &str = "other";

/// Returns the label of a request.
pub(super) fn route_of(config: &Config, parts: &request::Parts) -> Route {
    config.labels.of(parts).unwrap_or_else(|| OTHER.into())
}
