//! Fields that belong to one hop, and those that a proxy adds (RFC 9110, sections 7.6.1 and 7.6.3; RFC 7239).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

static HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A client, as the next hop is told of it; written once for all its requests.
#[derive(Debug)]
pub(crate) struct Client {
    address: IpAddr,
    text: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(address: IpAddr) -> Self {
        Self { address, text: HeaderValue::from_str(&address.to_string()).ok() }
    }
}

/// What a message asked of this hop alone.
#[derive(Debug, Default)]
pub(crate) struct Hop {
    /// The protocols to switch to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// Whether trailers are welcome (RFC 9110, section 10.1.4).
    pub(crate) trailers: bool,
}

/// Takes out what ends at this hop (RFC 9110, section 7.6.1).
pub(crate) fn end_hop(headers: &mut HeaderMap) -> Hop {
    // Most messages have none.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return Hop::default();
    }
    let listed: Vec<HeaderName> =
        elements(headers, &header::CONNECTION).filter_map(|option| option.parse().ok()).collect();
    // `h2c` would hand the client a connection on which nothing is checked any more; RFC 9113,
    // section 3.1, has no such upgrade.
    let upgrades = listed.contains(&header::UPGRADE)
        && !elements(headers, &header::UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("h2c"));
    let hop = Hop {
        upgrade: headers.get(header::UPGRADE).filter(|_| upgrades).cloned(),
        trailers: elements(headers, &header::TE)
            .any(|coding| coding.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("trailers"))),
    };
    for name in HOP_BY_HOP.iter().chain(&listed) {
        headers.remove(name);
    }
    hop
}

/// Says to the next hop what the last one said, as far as it may be passed on.
pub(crate) fn begin_hop(headers: &mut HeaderMap, hop: Hop, version: Version) {
    if hop.trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        // Only HTTP/1.1 has connection options (RFC 9113, section 8.2.2).
        if version == Version::HTTP_11 {
            headers.append(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
    if let Some(protocol) = hop.upgrade {
        headers.append(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// Says by which way the message came (RFC 9110, section 7.6.3).
pub(crate) fn via(headers: &mut HeaderMap, received: Version) {
    let via = match received {
        Version::HTTP_2 => "2.0 singleflight",
        Version::HTTP_10 => "1.0 singleflight",
        _ => "1.1 singleflight",
    };
    headers.append(header::VIA, HeaderValue::from_static(via));
}

/// Says who asked, and for which host. What a proxy before this one said of host and scheme stands; the layer has it in
/// the key.
pub(crate) fn forwarded(headers: &mut HeaderMap, client: Option<&Client>, host: Option<&HeaderValue>) {
    if let Some(Client { address, text: Some(text) }) = client {
        headers.append(&X_FORWARDED_FOR, text.clone());
        // A chain that has begun goes on (RFC 7239, section 4); nobody needs a second one.
        if headers.contains_key(header::FORWARDED) {
            let node = match address {
                IpAddr::V4(address) => format!("for={address};proto=http"),
                IpAddr::V6(address) => format!("for=\"[{address}]\";proto=http"),
            };
            if let Ok(node) = HeaderValue::from_str(&node) {
                headers.append(header::FORWARDED, node);
            }
        }
    }
    if let Some(host) = host {
        headers.entry(&X_FORWARDED_HOST).or_insert_with(|| host.clone());
    }
    headers.entry(&X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// The elements of a list field, in all its lines.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|element| !element.is_empty())
}
