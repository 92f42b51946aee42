//! The layer, as the options say.

use std::{net::IpAddr, time::Duration};

use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    fleet::Fleet,
    http::{HttpGroup, LargeBodies, StatusPage},
};

use crate::options::Options;

/// Who asks, as the key sees it; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Returns the layer, whose services share one group, and the live page about it, if the options ask for one; `None`: every
/// request goes upstream.
pub(crate) fn layer(options: &Options, fleet: Option<Fleet>) -> Option<(HttpSingleflightLayer, Option<StatusPage>)> {
    if options.no_coalesce {
        return None;
    }
    let mut limits = Limits::new();
    limits.max_wait = options.max_wait.map(Duration::from);
    limits.join_window = options.join_window.map(Duration::from);
    let mut layer = HttpSingleflightLayer::new()
        .group(HttpGroup::with_limits(limits))
        .window(options.window as usize)
        .stall(options.stall.into())
        .large_bodies(large_bodies(options));
    if let Some(dir) = &options.spill_dir {
        layer = layer.spill_dir(dir);
    }
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
    let fleet = fleet.zip(options.fleet_name.as_ref());
    if let Some((fleet, name)) = &fleet {
        layer = layer.fleet(fleet.clone(), name);
    }
    if options.status.is_none() {
        return Some((layer, None));
    }
    let upstream = options.upstream().to_string();
    let page = StatusPage::new().named(&upstream);
    let layer = layer.observe(page.clone());
    let group = layer.get_group().clone();
    let page = page.group(&upstream, move || group.stats());
    let page = match fleet {
        Some((fleet, name)) => page.fleet(name, fleet),
        None => page,
    };
    Some((layer, Some(page)))
}

/// Large downloads are what a proxy is for: they are shared, and what a slow client has yet to read goes to the disk.
fn large_bodies(options: &Options) -> LargeBodies {
    match options.spill {
        per_body @ 1.. => LargeBodies::Spill { per_body, total: per_body.saturating_mul(4) },
        _ => LargeBodies::Stream,
    }
}
