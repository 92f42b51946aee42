//! Fields that belong to one hop, and those that a proxy adds (RFC 9110, sections 7.6.1 and 7.6.3).

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

static HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes out what ends at this hop; returns what the message asked to upgrade to.
pub(crate) fn end_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let options: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|option| option.trim().parse::<HeaderName>().ok())
        .collect();
    let upgrades = options.contains(&header::UPGRADE);
    let protocol = headers.get(header::UPGRADE).filter(|_| upgrades).cloned();
    let trailers = headers.get_all(header::TE).iter().any(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in HOP_BY_HOP.iter().chain(&options) {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    protocol
}

/// Asks the next hop for an upgrade.
pub(crate) fn upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// Says by which way the message came.
pub(crate) fn via(headers: &mut HeaderMap, version: Version) {
    let version = match version {
        Version::HTTP_2 => "2.0 singleflight",
        Version::HTTP_10 => "1.0 singleflight",
        _ => "1.1 singleflight",
    };
    headers.append(header::VIA, HeaderValue::from_static(version));
}

/// Says who asked, and for which host.
pub(crate) fn forwarded(headers: &mut HeaderMap, client: Option<SocketAddr>, host: Option<HeaderValue>) {
    if let Some(client) = client.and_then(|client| HeaderValue::try_from(client.ip().to_string()).ok()) {
        headers.append("x-forwarded-for", client);
    }
    if let Some(host) = host {
        headers.entry("x-forwarded-host").or_insert(host);
    }
    headers.entry("x-forwarded-proto").or_insert(HeaderValue::from_static("http"));
}
