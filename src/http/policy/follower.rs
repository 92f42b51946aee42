//! What a follower gets of the leader's head.

use http::{HeaderName, header, response};

use super::{personal::names_exchange, tokens::elements};

/// Of one connection, or between two hops (S17; RFC 9110, section 7.6.1; RFC 9111, section 3.1).
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
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| elements(line.as_bytes()))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&listed).chain(&exchange).chain(dropped) {
        headers.remove(name);
    }
    // They came this far because the leader's layer strips them; another layer of its group may not (S7).
    headers.remove(header::SET_COOKIE);
    headers.remove("set-cookie2");
}
