//! `Cache-Status` (RFC 9211): what became of a request, for those who asked to be told (S24).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list::is_token_byte;

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Forwarded {
    Leader,
    Follower,
    Released,
    Bypass,
    Method,
}

/// The name of a cache: a structured-field token, or else a string (RFC 8941, section 3.3; RFC 9211, section 2).
#[derive(Clone, Debug)]
pub(in crate::http) struct CacheName {
    /// The whole member for each outcome, made once.
    members: [HeaderValue; 5],
}

impl CacheName {
    /// # Panics
    ///
    /// Panics if the name is not printable ASCII.
    #[track_caller]
    pub(in crate::http) fn new(name: &str) -> Self {
        assert!(
            name.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "the name of a cache is printable ASCII: {name:?}"
        );
        let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'*');
        let name = if starts && name.bytes().all(|byte| is_token_byte(byte) || b":/".contains(&byte)) {
            name.to_owned()
        } else {
            format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let member = |forwarded: &str| match HeaderValue::try_from(format!("{name}; {forwarded}")) {
            Ok(member) => member,
            Err(_) => unreachable!("printable ASCII is a field value"),
        };
        let members =
            ["fwd=uri-miss", "fwd=uri-miss; collapsed", "fwd=uri-miss; collapsed=?0", "fwd=bypass", "fwd=method"];
        Self { members: members.map(member) }
    }
}

/// Adds our member behind those that are there (RFC 9211, section 2).
pub(in crate::http) fn cache_status(name: &CacheName, forwarded: Forwarded, headers: &mut HeaderMap) {
    headers.append(&CACHE_STATUS, name.members[forwarded as usize].clone());
}
