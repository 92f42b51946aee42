//! The layer, as the options say.

use std::{net::IpAddr, time::Duration};

use tower_singleflight::{HttpGroup, HttpSingleflightLayer, Limits};

use crate::options::Options;

/// Who asks, as the key sees it; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Returns the layer, whose services share one group; `None`: every request goes upstream.
pub(crate) fn layer(options: &Options) -> Option<HttpSingleflightLayer> {
    if options.no_coalesce {
        return None;
    }
    let mut limits = Limits::new();
    limits.max_wait = options.max_wait.map(Duration::from);
    limits.join_window = options.join_window.map(Duration::from);
    let mut layer = HttpSingleflightLayer::new()
        .group(HttpGroup::with_limits(limits))
        .window(options.window as usize)
        .stall(options.stall.into());
    if options.key_address {
        layer = layer.identity(|parts| parts.extensions.get::<ClientAddress>().copied());
    }
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
