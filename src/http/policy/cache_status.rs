//! `Cache-Status` (RFC 9211): what became of a request, for those who asked to be told (S24).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::tokens::is_token_byte;

static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Forwarded {
    Leader,
    Follower,
    /// On a flight whose work began after the request came (S13).
    FreshLeader,
    FreshFollower,
    /// It waited for a flight, and went alone all the same.
    Released,
    Bypass,
    Method,
}

impl Forwarded {
    /// Returns whether the request was on the flight that answered it.
    pub(in crate::http) const fn is_on_flight(self) -> bool {
        matches!(self, Self::Leader | Self::Follower) || self.is_fresh()
    }

    pub(in crate::http) const fn is_fresh(self) -> bool {
        matches!(self, Self::FreshLeader | Self::FreshFollower)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Leader | Self::FreshLeader => "fwd=uri-miss",
            Self::Follower | Self::FreshFollower => "fwd=uri-miss; collapsed",
            Self::Released => "fwd=uri-miss; collapsed=?0",
            Self::Bypass => "fwd=bypass",
            Self::Method => "fwd=method",
        }
    }
}

/// The name of a cache: a structured-field token, or else a string (RFC 8941, section 3.3; RFC 9211, section 2).
#[derive(Clone, Debug)]
pub(in crate::http) struct CacheName(Box<str>);

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
        if starts && name.bytes().all(|byte| is_token_byte(byte) || b":/".contains(&byte)) {
            Self(name.into())
        } else {
            Self(format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")).into())
        }
    }

    /// Adds our member behind those that are there (RFC 9211, section 2), with its `detail`: the rule, if one kept the
    /// request or its answer from being shared.
    pub(in crate::http) fn append(&self, forwarded: Forwarded, detail: Option<&str>, headers: &mut HeaderMap) {
        let forwarded = forwarded.text();
        let member = match detail {
            Some(detail) => format!("{}; {forwarded}; detail={detail}", self.0),
            None => format!("{}; {forwarded}", self.0),
        };
        if let Ok(member) = HeaderValue::try_from(member) {
            // An answer that has as many fields as there can be goes without this one, rather than fail.
            let _ = headers.try_append(&CACHE_STATUS, member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_full_of_fields_goes_without_the_member() {
        let mut headers = HeaderMap::new();
        let fill = |headers: &mut HeaderMap, at: u32| {
            let name = HeaderName::try_from(format!("x-{at}")).expect("a name");
            headers.try_append(name, HeaderValue::from_static("y")).is_ok()
        };
        let fields = (0..).take_while(|at| fill(&mut headers, *at)).count();
        CacheName::new("here").append(Forwarded::Leader, None, &mut headers);
        assert_eq!((headers.len(), headers.get(&CACHE_STATUS)), (fields, None));
    }
}
