//! The layer, as the options say.

use std::time::Duration;

use http::{HeaderName, header};
use tower_singleflight::{HttpGroup, HttpSingleflightLayer, Limits};

use crate::options::Options;

/// Returns the layer, whose services share one group; `None`: every request goes upstream.
pub(crate) fn layer(options: &Options) -> Option<HttpSingleflightLayer> {
    if options.no_coalesce {
        return None;
    }
    let mut limits = Limits::new();
    limits.max_wait = options.max_wait.map(Duration::from);
    let mut layer = HttpSingleflightLayer::new()
        .group(HttpGroup::with_limits(limits))
        .window(options.window as usize)
        .stall(options.stall.into())
        // What is passed on of them would otherwise let one client choose the answer of others.
        .key_header(header::FORWARDED)
        .key_header(HeaderName::from_static("x-forwarded-host"))
        .key_header(HeaderName::from_static("x-forwarded-proto"));
    if options.per_credential {
        layer = layer.per_credential();
    }
    if let Some(name) = &options.cache_status {
        layer = layer.cache_status(name);
    }
    if let Some(limit) = options.release_limit {
        layer = layer.release_limit(limit as usize);
    }
    Some(layer)
}
