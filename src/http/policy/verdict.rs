//! With whom may an answer be shared?

use http::{HeaderName, header, request, response};

use super::{Credentials, Policy, directives::directives, vary::vary};

/// What the verdict has to know of the leader's request.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct Asked {
    /// It carried credentials, and the response is to say whether it may be shared (S5).
    authorized: bool,
    /// It carried validators, which are in the key.
    validated: bool,
}

/// With whom an answer may be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) enum Verdict {
    All,
    /// Those whose request has the same lines in each of these fields (S9).
    Matching(Vec<HeaderName>),
    Nobody,
}

/// What the directives of a response say.
#[derive(Default)]
struct Said {
    /// It may be stored although its request was authorized (RFC 9111, section 3.5).
    for_all: bool,
    /// It has a lifetime (RFC 9111, section 4.2.1).
    fresh: bool,
}

impl Policy {
    pub(in crate::http) fn asked(&self, parts: &request::Parts) -> Asked {
        let has = |name| parts.headers.contains_key(name);
        Asked {
            authorized: self.credentials == Credentials::ByResponse && has(header::AUTHORIZATION),
            validated: self.validators && (has(header::IF_NONE_MATCH) || has(header::IF_MODIFIED_SINCE)),
        }
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
                // S7.
                "set-cookie" | "set-cookie2" if !self.strip_set_cookie => return None,
                // A part of something, whatever the status says.
                "content-range" => return None,
                "cache-control" => said.read(value)?,
                "vary" => vary(value, &mut names)?,
                // S20: an origin that is named is that of the leader.
                "access-control-allow-origin" => by_origin |= value != b"*",
                "expires" => said.fresh = true,
                // S8: what is meant for caches like this one (RFC 9213), of any make.
                name if name == "surrogate-control" || name.ends_with("cdn-cache-control") => {
                    Said::default().read(value)?;
                }
                _ => {}
            }
        }
        if by_origin && !names.contains(&header::ORIGIN) {
            names.push(header::ORIGIN);
        }
        let shared = self.shares(head.status.as_u16(), said.fresh, asked) && (said.for_all || !asked.authorized);
        shared.then_some(names)
    }

    /// S10: RFC 9110, section 15.1; RFC 9111, section 3.
    fn shares(&self, status: u16, fresh: bool, asked: Asked) -> bool {
        match status {
            // Interim; a part; about one request's condition, credentials, connection, rate or fields.
            100..=199 | 206 | 401 | 403 | 407 | 408 | 421 | 425 | 429 | 431 | 511 => false,
            304 => asked.validated,
            // D4.
            500..=599 => self.share_server_errors,
            // Heuristically cacheable.
            200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 => true,
            _ => fresh,
        }
    }
}

impl Said {
    /// Reads one line; `None` if it keeps the answer from others (S8; RFC 9111, sections 5.2.2.4, 5.2.2.5, 5.2.2.7), or is not in
    /// order.
    fn read(&mut self, line: &[u8]) -> Option<()> {
        for directive in directives(line) {
            let directive = directive.ok()?;
            // D5: an age of zero is shared with those who waited.
            if ["no-store", "private", "no-cache"].iter().any(|name| directive.is(name)) {
                return None;
            }
            self.fresh |= directive.is("max-age") || directive.is("s-maxage");
            self.for_all |= ["public", "s-maxage", "must-revalidate"].iter().any(|name| directive.is(name));
        }
        Some(())
    }
}
