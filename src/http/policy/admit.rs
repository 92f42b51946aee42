//! May a request share a flight?

use http::{Method, header, request};

use super::{
    Cookies, Credentials, Policy,
    directives::{Directive, directives},
    list::elements,
};

/// What is known of a request's content (S15; RFC 9110, section 9.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Content {
    Empty,
    /// It is in the key.
    Keyed,
    Unknown,
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Admission {
    /// Lead a flight or join one.
    Coalesce,
    /// Lead, but not join: it wants an answer that is younger than itself (S13).
    LeadOnly,
    Bypass(Bypass),
}

/// Why a request goes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Bypass {
    Method,
    Content,
    Field,
    /// The application said so.
    Unwanted,
}

/// Returns whether a method is not known to be safe (RFC 9110, section 9.2.1; S21).
pub(in crate::http) fn is_unsafe(method: &Method) -> bool {
    !matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY")
}

impl Policy {
    /// Says whether a request may share a flight; `opted_in`: its method may, whatever the policy says of it.
    pub(in crate::http) fn admit(&self, parts: &request::Parts, content: Content, opted_in: bool) -> Admission {
        let method = &parts.method;
        // S14: a tunnel is one connection's, whatever was opted in (RFC 9110, section 9.3.6).
        if *method == Method::CONNECT {
            return Admission::Bypass(Bypass::Method);
        }
        // S1: RFC 9110, sections 9.2.1, 9.2.3; RFC 9111, section 4.
        if !(opted_in || *method == Method::GET || *method == Method::HEAD || self.methods.contains(method)) {
            return Admission::Bypass(Bypass::Method);
        }
        // S15.
        if content == Content::Unknown {
            return Admission::Bypass(Bypass::Content);
        }
        let mut leads = false;
        let mut reload = false;
        for (name, value) in &parts.headers {
            let goes_alone = match name.as_str() {
                // S15: the field says that there is content, and who reads it next may believe it.
                "transfer-encoding" if content == Content::Empty => return Admission::Bypass(Bypass::Content),
                "content-length" if content == Content::Empty && value != "0" => {
                    return Admission::Bypass(Bypass::Content);
                }
                // S5: RFC 9111, section 3.5.
                "authorization" => self.credentials == Credentials::Bypass,
                "proxy-authorization" => self.credentials != Credentials::Keyed,
                // S6.
                "cookie" => self.cookies == Cookies::Bypass,
                // S11, S12: RFC 9110, sections 13.1, 14.2.
                "if-none-match" | "if-modified-since" => !self.validators,
                "range" | "if-range" | "if-match" | "if-unmodified-since" => true,
                // S14: RFC 9110, sections 7.8, 10.1.1.
                "upgrade" | "expect" => true,
                "connection" => elements(value.as_bytes()).any(|option| option.eq_ignore_ascii_case(b"upgrade")),
                // What frameworks take for the method.
                "x-http-method-override" | "x-http-method" | "x-method-override" => true,
                // S13: RFC 9111, section 5.2.1.
                "cache-control" => match reloads(value.as_bytes()) {
                    Some(reloads) => {
                        leads |= reloads;
                        false
                    }
                    None => true,
                },
                "pragma" => {
                    reload |=
                        directives(value.as_bytes()).any(|pragma| pragma.map_or(true, |pragma| pragma.is("no-cache")));
                    false
                }
                _ => false,
            };
            if goes_alone {
                return Admission::Bypass(Bypass::Field);
            }
        }
        // Pragma counts where there is no Cache-Control (RFC 9111, section 5.4).
        if leads || (reload && !parts.headers.contains_key(header::CACHE_CONTROL)) {
            return Admission::LeadOnly;
        }
        Admission::Coalesce
    }
}

/// Returns whether a Cache-Control line asks for an answer from now on; `None` if it sends its request alone.
fn reloads(line: &[u8]) -> Option<bool> {
    let mut reloads = false;
    for directive in directives(line) {
        let directive = directive.ok()?;
        if directive.is("no-store") || directive.is("only-if-cached") {
            return None;
        }
        // An age that is no number is none at all (section 4.2.1).
        let zero = |directive: &Directive<'_>| directive.seconds().is_none_or(|seconds| seconds == 0);
        reloads |= directive.is("no-cache") || (directive.is("max-age") && zero(&directive));
    }
    Some(reloads)
}
