//! May it be shared, and with whom: pure functions over heads.
//!
//! Both questions fail safe: what is malformed, repeated, contradictory or unknown goes alone.

mod admit;
mod cache_status;
mod directives;
mod facts;
mod follower;
mod personal;
mod response_directives;
mod tokens;
mod vary;
mod verdict;

use http::{HeaderName, Method};

#[cfg(feature = "dry-run")]
pub(super) use self::follower::follower_fields;
#[cfg(feature = "fleet")]
pub(super) use self::verdict::is_event_stream;
pub(super) use self::{
    admit::{Admission, Content, is_unsafe},
    cache_status::{CacheName, Forwarded},
    facts::RequestFacts,
    follower::follower_head,
    verdict::{Again, AnswerHead, GRPC_STATUS, GrpcVerdict, Verdict},
};

/// A layer's settings about sharing.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Beside `GET` and `HEAD`.
    pub(super) methods: Vec<Method>,
    pub(super) credentials: Credentials,
    pub(super) cookies: Cookies,
    /// `If-None-Match` and `If-Modified-Since` are in the key.
    pub(super) validators: bool,
    /// D4: those who waited get a failure, too.
    pub(super) share_server_errors: bool,
    /// S29: event streams are shared even if they say nothing of a lifetime.
    pub(super) share_event_streams: bool,
    /// Followers get the answer without its cookies.
    pub(super) strip_set_cookie: bool,
    /// S7: fields of an answer that keep it for the leader, beside those of the list.
    pub(super) kept: Vec<HeaderName>,
    /// S17: fields of an answer that followers do not get, beside those of the list.
    pub(super) dropped: Vec<HeaderName>,
}

/// What becomes of requests that carry credentials (S5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    Bypass,
    /// They are in the key.
    Keyed,
    /// The response says whether it may be shared all the same.
    ByResponse,
}

impl Credentials {
    /// Returns whether `Proxy-Authorization` sends a request alone, since no response says who may share in spite of
    /// it.
    const fn keeps_proxys(self) -> bool {
        !matches!(self, Self::Keyed)
    }
}

/// What becomes of requests with cookies (S6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cookies {
    Bypass,
    /// Those that matter are in the key.
    Keyed,
    /// Those of these names do not matter, others send their request alone.
    Ignored(Vec<Box<str>>),
}

impl Policy {
    /// Returns whether requests with credentials or cookies may share.
    pub(super) fn shares_credentials(&self) -> bool {
        self.credentials != Credentials::Bypass || self.cookies != Cookies::Bypass
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            methods: Vec::new(),
            credentials: Credentials::Bypass,
            cookies: Cookies::Bypass,
            validators: false,
            share_server_errors: true,
            share_event_streams: false,
            strip_set_cookie: false,
            kept: Vec::new(),
            dropped: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
