//! Fields that belong to one hop, and those that a proxy adds (RFC 9110, sections 7.6.1 and 7.6.3; RFC 7239).

use std::{net::IpAddr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

static HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    KEEP_ALIVE,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A client's address as the next hop is told of it; made into text once for all requests of the client.
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
    /// Whether the content has a transfer coding that this proxy does not know: hyper decodes `chunked` and nothing
    /// else (RFC 9112, section 6.1).
    pub(crate) coded: bool,
}

/// Takes out what ends at this hop (RFC 9110, section 7.6.1), and what would contradict the length of the content.
pub(crate) fn end_hop(headers: &mut HeaderMap) -> Hop {
    one_length(headers);
    // Most messages have none.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return Hop::default();
    }
    let listed: Vec<HeaderName> =
        elements(headers, &header::CONNECTION).filter_map(|option| option.parse().ok()).collect();
    // An upgrade to `h2c` would give the client a connection on which nothing is checked any more. RFC 9113, section
    // 3.1, has no such upgrade.
    let upgrades = listed.contains(&header::UPGRADE)
        && !elements(headers, &header::UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("h2c"));
    let hop = Hop {
        upgrade: headers.get(header::UPGRADE).filter(|_| upgrades).cloned(),
        trailers: elements(headers, &header::TE)
            .any(|coding| coding.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("trailers"))),
        coded: headers
            .get_all(header::TRANSFER_ENCODING)
            .into_iter()
            .enumerate()
            .any(|(line, coding)| line > 0 || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")),
    };
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // RFC 9112, section 6.3: Transfer-Encoding overrides Content-Length, which must not be passed on.
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in HOP_BY_HOP.iter().chain(&listed) {
        headers.remove(name);
    }
    hop
}

/// Makes one value of a Content-Length that is given several times; hyper has checked that all are equal (RFC 9112,
/// section 6.3).
fn one_length(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let length =
        elements(headers, &header::CONTENT_LENGTH).next().and_then(|length| HeaderValue::from_str(length).ok());
    match length {
        Some(length) => headers.insert(header::CONTENT_LENGTH, length),
        None => headers.remove(header::CONTENT_LENGTH),
    };
}

/// Joins the cookies of a request into one line; HTTP/2 may send them in several (RFC 9113, section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookies) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookies);
    }
}

/// Returns how long, from its answer on, the sender says that it keeps the connection (RFC 2068, section 19.7.1.1).
pub(crate) fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let name = KEEP_ALIVE;
    let times = elements(headers, &name).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then_some(value.trim().trim_matches('"'))
    });
    times.filter_map(|seconds| seconds.parse().ok()).map(Duration::from_secs).min()
}

/// Tells the next hop what the last one asked of this hop, as far as it may be passed on.
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

/// Adds `Via`, with the version in which the message came (RFC 9110, section 7.6.3).
pub(crate) fn via(headers: &mut HeaderMap, received: Version) {
    let via = match received {
        Version::HTTP_2 => "2.0 singleflight",
        Version::HTTP_10 => "1.0 singleflight",
        _ => "1.1 singleflight",
    };
    headers.append(header::VIA, HeaderValue::from_static(via));
}

/// Tells the next hop who asked, and for which host. The host and scheme that an earlier proxy named are kept; they are
/// a part of the key.
pub(crate) fn forwarded(headers: &mut HeaderMap, client: Option<&Client>, host: Option<&HeaderValue>) {
    if let Some(Client { address, text: Some(text) }) = client {
        headers.append(&X_FORWARDED_FOR, text.clone());
        // A `Forwarded` that came is continued (RFC 7239, section 4); a second chain is not begun.
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
