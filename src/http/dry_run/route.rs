//! The name under which the report counts a request.

use std::sync::Arc;

use http::request;

use crate::{http::coalescer::Coalescer, observe::label::OTHER};

/// The route of a request, as the report names it.
pub(super) type Route = Arc<str>;

/// Returns the label of a request; where no route is known, one for all. It is never a path: clients choose those.
pub(super) fn route_of(coalescer: &Coalescer, parts: &request::Parts) -> Route {
    coalescer.label(parts).unwrap_or_else(|| OTHER.into())
}
