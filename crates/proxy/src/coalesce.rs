//! The layer that the options describe, and its one service.

use std::{net::IpAddr, time::Duration};

use tokio_util::task::TaskTracker;
use tower::Layer;
use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    fleet::Fleet,
    http::{HttpGroup, HttpSingleflight, LargeBodies, StatusPage},
};

use crate::{options::Options, upstream::Upstream};

/// The client's address, as a part of the key; an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Returns the service that all requests go through, and the live page about it, if the options ask for one; `None`: every
/// request goes upstream.
///
/// Each thread has a clone of this one service. With a service of its own for each thread, requests would be marked for the
/// other services of the group to see (S2): that takes some 300 bytes of each client that waits, and 700 instructions.
pub(crate) fn service(
    options: &Options,
    fleet: Option<Fleet>,
) -> Option<(HttpSingleflight<Upstream>, Option<StatusPage>)> {
    let layer = layer(options, HttpGroup::with_limits(limits(options)), fleet.clone())?;
    // Each worker puts its own in place of this one.
    let upstream = Upstream::new(options, TaskTracker::new());
    if options.status.is_none() {
        return Some((layer.layer(upstream), None));
    }
    let name = options.upstream().to_string();
    let page = StatusPage::new().named(&name);
    let service = layer.observe(page.clone()).layer(upstream);
    let counted = service.clone();
    let page = page.group(&name, move || counted.group().stats());
    let page = match fleet.zip(options.fleet_name.as_ref()) {
        Some((fleet, name)) => page.fleet(name, fleet),
        None => page,
    };
    Some((service, Some(page)))
}

/// Returns the layer, whose services share this group; `None`: every request goes upstream.
pub(crate) fn layer(options: &Options, group: HttpGroup, fleet: Option<Fleet>) -> Option<HttpSingleflightLayer> {
    if options.no_coalesce {
        return None;
    }
    let mut layer = HttpSingleflightLayer::new()
        .group(group)
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
    if let Some((fleet, name)) = fleet.zip(options.fleet_name.as_ref()) {
        layer = layer.fleet(fleet, name);
    }
    Some(layer)
}

fn limits(options: &Options) -> Limits {
    let mut limits = Limits::new();
    limits.max_wait = options.max_wait.map(Duration::from);
    limits.join_window = options.join_window.map(Duration::from);
    limits
}

/// Large downloads are what a proxy is for: they are shared, and what a slow client has yet to read goes to the disk.
fn large_bodies(options: &Options) -> LargeBodies {
    match options.spill {
        per_body @ 1.. => LargeBodies::Spill { per_body, total: per_body.saturating_mul(4) },
        _ => LargeBodies::Stream,
    }
}
