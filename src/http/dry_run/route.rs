//! Under which name a request stands in the report.

use std::sync::Arc;

use http::request;

use crate::{http::coalescer::Coalescer, observe::label::OTHER};

/// The route of a request, as the report names it.
pub(super) type Route = Arc<str>;

/// Returns the label of a request; where no route is known, one for all: never a path, which clients choose.
pub(super) fn route_of(coalescer: &Coalescer, parts: &request::Parts) -> Route {
    coalescer.label(parts).unwrap_or_else(|| OTHER.into())
}
