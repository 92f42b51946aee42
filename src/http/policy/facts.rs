//! What the verdict on an answer has to know of the request that it answers.

use http::{Version, header, request};

use super::{Credentials, Policy};

/// What the verdict has to know of the leader's request.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct RequestFacts {
    /// It carried credentials, and the response is to say whether it may be shared (S5).
    pub(super) authorized: bool,
    /// It carried validators, which are in the key.
    pub(super) validated: bool,
    /// It carried a deadline of its own, which is not in the key (S28).
    pub(super) deadline: bool,
    /// It came by HTTP/1.0, over which a body that breaks off may look whole (S30).
    pub(in crate::http) http10: bool,
    /// Its answer has no content, whatever its head announces (RFC 9110, section 9.3.2).
    pub(in crate::http) head: bool,
}

impl RequestFacts {
    /// Returns what counts of a request whose answer was made for another one: that one had another deadline (S28).
    pub(in crate::http) const fn of_one_who_waited(self) -> Self {
        Self { deadline: false, ..self }
    }
}

impl Policy {
    /// Notes what the verdict will have to know of a request; `deadline`: it brought one.
    #[inline]
    pub(in crate::http) fn facts(&self, parts: &request::Parts, deadline: bool) -> RequestFacts {
        let has = |name| parts.headers.contains_key(name);
        RequestFacts {
            authorized: self.credentials == Credentials::ByResponse && has(header::AUTHORIZATION),
            validated: self.validators && (has(header::IF_NONE_MATCH) || has(header::IF_MODIFIED_SINCE)),
            deadline,
            http10: parts.version <= Version::HTTP_10,
            head: parts.method == http::Method::HEAD,
        }
    }
}
