//! May it be shared, and with whom: pure functions over heads.
//!
//! Both questions fail safe: what is malformed, repeated, contradictory or unknown goes alone.

mod admit;
mod cache_status;
mod directives;
mod follower;
mod list;
mod said;
mod vary;
mod verdict;

use http::Method;

pub(super) use self::{
    admit::{Admission, Bypass, Content, is_unsafe},
    cache_status::{CacheName, Forwarded, cache_status},
    follower::follower_head,
    verdict::{Asked, Verdict},
};

/// What a layer was told of sharing.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Beside `GET` and `HEAD`.
    pub(super) methods: Vec<Method>,
    pub(super) credentials: Credentials,
    pub(super) cookies: Cookies,
    /// `If-None-Match` and `If-Modified-Since` are in the key.
    pub(super) validators: bool,
    /// D4: those who waited have a share in a failure.
    pub(super) share_server_errors: bool,
    /// Followers get the answer without its cookies.
    pub(super) strip_set_cookie: bool,
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

/// What becomes of requests with cookies (S6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookies {
    Bypass,
    /// Those that matter are in the key.
    Keyed,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            methods: Vec::new(),
            credentials: Credentials::Bypass,
            cookies: Cookies::Bypass,
            validators: false,
            share_server_errors: true,
            strip_set_cookie: false,
        }
    }
}

#[cfg(test)]
mod tests;
