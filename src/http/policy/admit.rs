//! May a request share a flight?

use http::{HeaderMap, HeaderValue, Method, header, request};

use super::{
    Cookies, Credentials, Policy,
    directives::{Directive, directives},
    tokens::elements,
};
use crate::http::{key::are_all_named, rule::Rule};

/// What is known of a request's content (S15; RFC 9110, section 9.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Content {
    Empty,
    /// It is in the key, and of this length in bytes, if that is known already.
    Keyed(Option<usize>),
    Unknown,
}

impl Content {
    /// Returns whether a `Content-Length` agrees with what is known. The field is no part of the key.
    pub(in crate::http) fn is_of_length(self, said: &HeaderValue) -> bool {
        match self {
            Self::Empty => said == "0",
            Self::Keyed(Some(length)) => *said == length.to_string(),
            Self::Keyed(None) | Self::Unknown => true,
        }
    }
}

/// What a request that need not go alone may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Admission {
    /// Lead a flight or join one.
    Coalesce,
    /// The same, but of flights whose work begins after it came: it wants an answer that is younger than itself (S13).
    Reload,
    /// Likewise, since what it asks for is written to so fast that it would share with nobody otherwise (S21).
    Fresh,
}

/// Returns whether a request is not known to be safe (RFC 9110, section 9.2.1; S21).
pub(in crate::http) fn is_unsafe(method: &Method, headers: &HeaderMap) -> bool {
    !(method.is_safe() || method.as_str() == "QUERY") || headers.keys().any(|name| overrides_method(name.as_str()))
}

/// Returns whether frameworks take this field for the method (S30).
#[inline(always)]
fn overrides_method(name: &str) -> bool {
    name.starts_with('x') && is_override(name)
}

/// Frameworks that follow CGI see `_` and `-` as one.
#[cold]
fn is_override(name: &str) -> bool {
    const NAMES: [&str; 3] = ["x-http-method-override", "x-method-override", "x-http-method"];
    let same = |known: &&str| {
        known.len() == name.len()
            && known.bytes().zip(name.bytes()).all(|(known, byte)| known == byte || (known == b'-' && byte == b'_'))
    };
    NAMES.iter().any(same)
}

/// A request whose fields are being looked at, one after the other.
pub(in crate::http) struct Admitting<'a> {
    policy: &'a Policy,
    content: Content,
    seen: Seen,
}

impl Policy {
    /// Says whether a request may share a flight, or which rule sends it alone; `opted_in`: its method may, whatever the
    /// policy says of it.
    pub(in crate::http) fn admit(
        &self,
        parts: &request::Parts,
        content: Content,
        opted_in: bool,
    ) -> Result<Admission, Rule> {
        let mut admitting = self.admitting(parts, content, opted_in)?;
        for (name, value) in &parts.headers {
            admitting.look_at(name.as_str(), value)?;
        }
        admitting.done(&parts.headers)
    }

    /// Begins to look at a request, by all that can be said before each of its fields is looked at.
    #[inline]
    pub(in crate::http) fn admitting(
        &self,
        parts: &request::Parts,
        content: Content,
        opted_in: bool,
    ) -> Result<Admitting<'_>, Rule> {
        let method = &parts.method;
        // S14: a tunnel is one connection's, whatever was opted in (RFC 9110, section 9.3.6).
        if *method == Method::CONNECT {
            return Err(Rule::S1Method);
        }
        // S1: RFC 9110, sections 9.2.1, 9.2.3; RFC 9111, section 4.
        if !(opted_in || *method == Method::GET || *method == Method::HEAD || self.methods.contains(method)) {
            return Err(Rule::S1Method);
        }
        // S15.
        if content == Content::Unknown {
            return Err(Rule::S15Content);
        }
        // S5: most requests that go alone do so by this, and need no further look. Looking at each name is cheaper than
        // hashing one to look it up.
        if self.credentials == Credentials::Bypass && parts.headers.keys().any(|name| *name == header::AUTHORIZATION) {
            return Err(Rule::S5Authorization);
        }
        Ok(Admitting { policy: self, content, seen: Seen::default() })
    }

    /// Returns whether a request's cookies may tell who asks; `keyed`: some are in the key.
    pub(in crate::http) fn counts_cookies(&self, headers: &HeaderMap, keyed: bool) -> bool {
        match &self.cookies {
            Cookies::Keyed => keyed,
            Cookies::Bypass | Cookies::Ignored(_) => !self.admits_cookies(headers),
        }
    }

    /// S6.
    fn admits_cookies(&self, headers: &HeaderMap) -> bool {
        match &self.cookies {
            Cookies::Bypass => false,
            Cookies::Keyed => true,
            Cookies::Ignored(names) => are_all_named(names, headers),
        }
    }
}

impl Admitting<'_> {
    /// Looks at one line. Lines of fields that are in the key need not be shown, except those whose names begin with an
    /// `x`.
    pub(in crate::http) fn look_at(&mut self, name: &str, value: &HeaderValue) -> Result<(), Rule> {
        let Self { policy, content, seen } = self;
        let alone = |alone: bool, rule| if alone { Err(rule) } else { Ok(()) };
        match name {
            // S15: the field says that there is content, and the next reader may believe it.
            "transfer-encoding" => alone(*content == Content::Empty, Rule::S15Content),
            // The next reader may believe it, too, where there is content of another length.
            "content-length" => alone(!content.is_of_length(value), Rule::S15Content),
            // S5: RFC 9111, section 3.5.
            "proxy-authorization" => alone(policy.credentials.keeps_proxys(), Rule::S5Authorization),
            "cookie" => {
                seen.has_cookie = true;
                Ok(())
            }
            // S11, S12: RFC 9110, sections 13.1, 14.2.
            "if-none-match" | "if-modified-since" => alone(!policy.validators, Rule::S12Condition),
            "if-match" | "if-unmodified-since" => Err(Rule::S12Condition),
            "range" | "if-range" => Err(Rule::S11Range),
            // S14: RFC 9110, sections 7.8, 10.1.1.
            "expect" => Err(Rule::S14Connection),
            "upgrade" => {
                seen.connection.upgrade(value.as_bytes());
                Ok(())
            }
            // Every browser says this over HTTP/1.1, and taking the list apart would take 200 instructions.
            "connection" if value == "keep-alive" => Ok(()),
            "connection" => {
                seen.connection.list(value.as_bytes());
                Ok(())
            }
            // S13: RFC 9111, section 5.2.1.
            "cache-control" => {
                seen.reloads |= reloads(value.as_bytes()).ok_or(Rule::S13CacheControl)?;
                Ok(())
            }
            "pragma" => {
                seen.pragma |= directives(value.as_bytes()).any(|it| it.map_or(true, |it| it.is("no-cache")));
                Ok(())
            }
            name => alone(overrides_method(name), Rule::S30MethodOverride),
        }
    }

    /// Says what all lines together come to.
    #[inline]
    pub(in crate::http) fn done(self, headers: &HeaderMap) -> Result<Admission, Rule> {
        let Self { policy, seen, .. } = self;
        if seen.has_cookie && !policy.admits_cookies(headers) {
            return Err(Rule::S6Cookie);
        }
        // S14: the next hop strips what `Connection` lists, and would see another request than the key says (RFC 9110,
        // section 7.6.1). `h2c` alone is obsolete (RFC 9113, section 3.1), and is offered to servers that it does not
        // concern.
        if seen.connection.asks_for_more() {
            return Err(Rule::S14Connection);
        }
        // Pragma counts where there is no Cache-Control (RFC 9111, section 5.4).
        if seen.reloads || (seen.pragma && !headers.contains_key(header::CACHE_CONTROL)) {
            return Ok(Admission::Reload);
        }
        Ok(Admission::Coalesce)
    }
}

/// What the lines of a request say together.
#[derive(Default)]
struct Seen {
    has_cookie: bool,
    reloads: bool,
    pragma: bool,
    connection: Connection,
}

/// What `Connection` and `Upgrade` ask of this hop.
#[derive(Default)]
struct Connection {
    offers_h2c: bool,
    upgrades: bool,
    lists_settings: bool,
    lists_others: bool,
}

impl Connection {
    fn upgrade(&mut self, line: &[u8]) {
        let mut protocols = elements(line).peekable();
        self.upgrades |= protocols.peek().is_none();
        for protocol in protocols {
            let h2c = protocol.eq_ignore_ascii_case(b"h2c");
            self.offers_h2c |= h2c;
            self.upgrades |= !h2c;
        }
    }

    fn list(&mut self, line: &[u8]) {
        for option in elements(line) {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            self.lists_settings |= is("http2-settings");
            self.lists_others |=
                !["close", "keep-alive", "te", "upgrade", "http2-settings"].iter().any(|name| is(name));
        }
    }

    fn asks_for_more(&self) -> bool {
        self.upgrades || self.lists_others || (self.lists_settings && !self.offers_h2c)
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
        // A `max-age` that is not a number counts as if it were not there (section 4.2.1).
        let zero = |directive: &Directive<'_>| directive.seconds().is_none_or(|seconds| seconds == 0);
        reloads |= directive.is("no-cache") || (directive.is("max-age") && zero(&directive));
    }
    Some(reloads)
}
