//! What a follower gets of the leader's head.

use http::{HeaderMap, HeaderName, header, response};

use super::{personal::names_exchange, tokens::elements};

/// Fields of one connection, or between two hops (S17; RFC 9110, section 7.6.1; RFC 9111, section 3.1).
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes out of the head what was meant for the leader; `dropped` are fields that the application names.
pub(in crate::http) fn follower_head(head: &mut response::Parts, dropped: &[HeaderName]) {
    let headers = &mut head.headers;
    let exchange: Vec<HeaderName> = headers.keys().filter(|name| names_exchange(name.as_str())).cloned().collect();
    let listed = listed(headers);
    for name in HOP_BY_HOP.iter().chain(&listed).chain(&exchange).chain(dropped) {
        headers.remove(name);
    }
    // They came this far because the leader's layer strips them; another layer of its group may not (S7).
    headers.remove(header::SET_COOKIE);
    headers.remove("set-cookie2");
}

/// Returns the fields of a head that followers get.
#[cfg(feature = "dry-run")]
pub(in crate::http) fn follower_fields<'a>(
    headers: &'a HeaderMap,
    dropped: &'a [HeaderName],
) -> impl Iterator<Item = &'a HeaderName> {
    let listed = listed(headers);
    headers.keys().filter(move |name| {
        let is_leaders = HOP_BY_HOP.contains(name) || listed.contains(name) || dropped.contains(name);
        let text = name.as_str();
        !is_leaders && !names_exchange(text) && !matches!(text, "set-cookie" | "set-cookie2")
    })
}

/// Returns the fields that `Connection` lists.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let options = headers.get_all(header::CONNECTION).iter().flat_map(|line| elements(line.as_bytes()));
    options.filter_map(|option| HeaderName::from_bytes(option).ok()).collect()
}
