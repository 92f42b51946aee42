//! With whom may an answer be shared?

use http::{HeaderName, Method, header, request, response};

use super::{Credentials, Policy, said::Said, vary::vary};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// What the verdict has to know of the leader's request.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct Asked {
    /// It carried credentials, and the response is to say whether it may be shared (S5).
    authorized: bool,
    /// It carried validators, which are in the key.
    validated: bool,
    /// It carried a deadline of its own, which is not in the key.
    deadline: bool,
}

/// With whom an answer may be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) enum Verdict {
    All,
    /// Those whose request has the same lines in each of these fields (S9).
    Matching(Vec<HeaderName>),
    Nobody,
}

impl Policy {
    pub(in crate::http) fn asked(&self, parts: &request::Parts) -> Asked {
        let has = |name| parts.headers.contains_key(name);
        Asked {
            authorized: self.credentials == Credentials::ByResponse && has(header::AUTHORIZATION),
            validated: self.validators && (has(header::IF_NONE_MATCH) || has(header::IF_MODIFIED_SINCE)),
            // gRPC asks with POST only (PROTOCOL-HTTP2.md, "Requests").
            deadline: parts.method == Method::POST && has(GRPC_TIMEOUT),
        }
    }

    /// Says whether an error may be shared (D4); that of a leader with a deadline may be its deadline's.
    pub(in crate::http) fn shares_errors(&self, asked: Asked) -> bool {
        self.share_server_errors && !asked.deadline
    }

    /// Says with whom an answer may be shared.
    pub(in crate::http) fn verdict(&self, asked: Asked, head: &response::Parts) -> Verdict {
        self.names(asked, head).map_or(Verdict::Nobody, |names| match names.is_empty() {
            true => Verdict::All,
            false => Verdict::Matching(names),
        })
    }

    /// Returns the request fields in which followers must agree; `None` if nobody may have the answer.
    fn names(&self, asked: Asked, head: &response::Parts) -> Option<Vec<HeaderName>> {
        let mut said = Said::default();
        let mut names = Vec::new();
        let mut by_origin = false;
        for (name, value) in &head.headers {
            let value = value.as_bytes();
            match name.as_str() {
                // S7: RFC 9111, section 7.3 lets them be reused; what they are for does not.
                "set-cookie" | "set-cookie2" if !self.strip_set_cookie => return None,
                // S10: a part of something, whatever the status says (RFC 9110, sections 14.4, 14.6).
                "content-range" => return None,
                "content-type" if is_byteranges(value) => return None,
                // S10, over gRPC, without a message: about one call's deadline, credentials or rate. Deadlines are not
                // in the key.
                "grpc-status" if [&b"1"[..], b"4", b"7", b"8", b"16"].contains(&value) => return None,
                "cache-control" => said.read(value)?,
                "vary" => vary(value, &mut names)?,
                // S20: an origin that is named is that of the leader (RFC 9110, section 12.5.5).
                "access-control-allow-origin" => by_origin |= value != b"*",
                "expires" => said.read_expires(value),
                "age" => said.read_age(value),
                // S8: what is meant for caches like this one (RFC 9213), of any make; only what it forbids counts.
                name if name == "surrogate-control" || name.ends_with("cdn-cache-control") => {
                    Said::default().read(value)?;
                }
                _ => {}
            }
        }
        // S5: unless the answer is for all, it is for those without credentials, if it is for others at all. Its origin
        // need not name the field in Vary (RFC 9110, section 12.5.5).
        let by_credentials = self.credentials == Credentials::ByResponse && !said.is_for_all();
        if (by_credentials && asked.authorized) || !self.shares(head.status.as_u16(), said.storable, asked) {
            return None;
        }
        for (name, compared) in [(header::ORIGIN, by_origin), (header::AUTHORIZATION, by_credentials)] {
            if compared && !names.contains(&name) {
                names.push(name);
            }
        }
        Some(names)
    }

    /// S10: RFC 9110, section 15.1; RFC 9111, section 3.
    fn shares(&self, status: u16, storable: bool, asked: Asked) -> bool {
        match status {
            // Interim; a part, or a change to what its caller has (RFC 3229, section 10.4.1); about one request's
            // condition, credentials, connection, rate or fields.
            ..=199 | 206 | 226 | 401 | 403 | 407 | 408 | 421 | 425 | 429 | 431 | 511 => false,
            304 => asked.validated,
            // D4.
            500..=599 => self.share_server_errors,
            // Heuristically cacheable.
            200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 => true,
            201..=499 => storable,
            // Of no class (section 15).
            600.. => false,
        }
    }
}

/// Returns whether a media type is that of several parts (RFC 9110, section 14.6).
fn is_byteranges(value: &[u8]) -> bool {
    let kind = value.split(|byte| *byte == b';').next().unwrap_or(value);
    kind.trim_ascii().eq_ignore_ascii_case(b"multipart/byteranges")
}
