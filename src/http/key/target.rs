//! The target of a request: authority, path and query (S2; RFC 9110, section 7.1).

use http::{
    HeaderMap, HeaderValue, Uri, header, request,
    uri::{Authority, Scheme},
};

use super::{
    encode::{Tag, Written},
    original::original_uri,
};

/// Authority, path and query, and those of the original URI where a router has rewritten it.
///
/// The rewritten URI stays a part: on the client's side of a proxy the extensions of an incoming request, `OriginalUri`
/// among them, travel with requests for quite different targets.
pub(super) struct Target<'a> {
    authority: Option<&'a [u8]>,
    uri: &'a Uri,
    /// `Some` if it is another one.
    original: Option<Original<'a>>,
    /// Query parameters that do not count.
    ignored: &'a [Box<str>],
}

struct Original<'a> {
    /// That of `Host`, if the URI has none.
    authority: Option<&'a [u8]>,
    uri: &'a Uri,
}

impl<'a> Target<'a> {
    /// Returns the target of a request with this `Host`; `None` if its authority is in doubt.
    #[inline(always)]
    pub(super) fn new(parts: &'a request::Parts, host: Option<&'a [u8]>, ignored: &'a [Box<str>]) -> Option<Self> {
        let uri = &parts.uri;
        let original = original_uri(parts).filter(|original| *original != uri);
        let authority = uri.authority().or_else(|| original.and_then(Uri::authority));
        let authority = agreed(authority.map(bytes), host)?;
        let original = original.map(|uri| Original { authority: authority_of(uri, host), uri });
        Some(Self { authority, uri, original, ignored })
    }

    /// Returns the scheme of the URI and, if it is another one, of the original URI. The inner `None` is the
    /// listener's, as for an origin-form target (RFC 9110, section 7.1).
    pub(super) fn schemes(&self) -> [Option<Option<&'a Scheme>>; 2] {
        [Some(self.uri.scheme()), self.original.as_ref().map(|original| original.uri.scheme())]
    }
}

fn bytes(authority: &Authority) -> &[u8] {
    authority.as_str().as_bytes()
}

impl Target<'_> {
    /// What was asked for comes first; what a router made of it follows.
    #[inline(always)]
    pub(super) fn write(&self, written: &mut Written) {
        if let Some(original) = &self.original {
            self.write_original(original, written);
        }
        self.write_uri(self.authority, self.uri, written);
    }

    /// A function of its own, so that the request's own URI, which every request has, is written without a call.
    #[inline(never)]
    fn write_original(&self, original: &Original<'_>, written: &mut Written) {
        self.write_uri(original.authority, original.uri, written);
        written.part(Tag::Stripped, &[]);
    }

    #[inline(always)]
    fn write_uri(&self, authority: Option<&[u8]>, uri: &Uri, written: &mut Written) {
        if let Some(authority) = authority {
            written.part(Tag::Authority, authority);
        }
        written.part(Tag::Path, uri.path().as_bytes());
        // `/x?` has an empty query, `/x` has none: different targets.
        let Some(query) = uri.query() else { return };
        if self.ignored.is_empty() {
            return written.part(Tag::Query, query.as_bytes());
        }
        written
            .values(Tag::Parameters, &[], || query.split('&').filter(|pair| !self.is_ignored(pair)).map(str::as_bytes));
    }

    /// By the name as it was sent. A pair with a `;` counts: some servers end a pair there, and read a second one.
    fn is_ignored(&self, pair: &str) -> bool {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        !pair.contains(';') && self.ignored.iter().any(|ignored| **ignored == *name)
    }
}

/// Returns the authority of a URI, or else that of `Host`.
#[inline]
pub(in crate::http) fn authority_of<'a>(uri: &'a Uri, host: Option<&'a [u8]>) -> Option<&'a [u8]> {
    uri.authority().map(bytes).or(host)
}

/// Returns the only `Host`; `None` if it is repeated (RFC 9112, section 3.2).
pub(super) fn host(headers: &HeaderMap) -> Option<Option<&[u8]>> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    hosts.next().is_none().then_some(host)
}

/// Returns the authority that URI and `Host` agree on (RFC 9110, section 7.2); the outer `None`: none.
#[inline(always)]
fn agreed<'a>(uri: Option<&'a [u8]>, host: Option<&'a [u8]>) -> Option<Option<&'a [u8]>> {
    let disagree = matches!((uri, host), (Some(uri), Some(host)) if !uri.eq_ignore_ascii_case(host));
    let authority = uri.or(host);
    (!disagree && authority.is_none_or(is_host_and_port)).then_some(authority)
}

/// The bytes of a host's name.
static NAME: [bool; 256] = {
    let mut name = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        name[byte] = matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%');
        byte += 1;
    }
    name
};

/// Stricter than the grammar: no user information (RFC 9110, section 4.2.4: it is a credential), no sub-delims.
#[inline]
fn is_host_and_port(authority: &[u8]) -> bool {
    let name_byte = |byte: &u8| NAME[usize::from(*byte)];
    let address_byte = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
    let (host_ok, port) = match authority.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            (end > 0 && rest[..end].iter().all(address_byte), &rest[end + 1..])
        }
        None => {
            let end = authority.iter().position(|byte| !name_byte(byte)).unwrap_or(authority.len());
            (end > 0, &authority[end..])
        }
    };
    let port_ok = match port.strip_prefix(b":") {
        Some(port) => !port.is_empty() && port.iter().all(u8::is_ascii_digit),
        None => port.is_empty(),
    };
    host_ok && port_ok
}
