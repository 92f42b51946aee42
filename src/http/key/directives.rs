//! `Cache-Control` and `Pragma` of a request: what no rule settles is a part of the key.
//!
//! `no-transform` is for every intermediary below (RFC 9111, section 5.2.1.6), an age is for every cache there (sections
//! 5.2.1.1 to 5.2.1.3), and a directive that this layer does not know may be known to one of them, or to the service
//! (section 5.2.3). So a request that says such a thing might have got another answer than one that does not.

use http::{HeaderMap, HeaderName, header};

use super::encode::{Tag, Written};

static NAMES: [HeaderName; 2] = [header::CACHE_CONTROL, header::PRAGMA];

/// Writes the directives that count, as they stand and in order. `counts` says whether a field counts at all.
pub(super) fn write(headers: &HeaderMap, counts: impl Fn(&HeaderName) -> bool, written: &mut Written) {
    for name in NAMES.iter().filter(|name| counts(name)) {
        let pieces = || headers.get_all(name).iter().flat_map(|line| elements(line.as_bytes())).map(<[u8]>::trim_ascii);
        written.values(Tag::Pieces, name.as_str().as_bytes(), || pieces().filter(|piece| !is_settled(piece)));
    }
}

/// Returns what stands between the commas of a line. What stands in a quoted string (RFC 9110, section 5.6.4) is a part of its
/// directive, whatever it looks like.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escapes) = (false, false);
    line.split(move |byte| {
        let escaped = escapes;
        escapes = quoted && !escaped && *byte == b'\\';
        quoted ^= *byte == b'"' && !escaped;
        *byte == b',' && !quoted
    })
}

/// Returns whether S13 settles a directive: it sends the request alone, or makes it a reload.
fn is_settled(directive: &[u8]) -> bool {
    let equals = directive.iter().position(|byte| *byte == b'=');
    let (name, argument) = directive.split_at(equals.unwrap_or(directive.len()));
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    // No age, or one that is no number, is 0.
    let is_above_0 = argument.iter().any(|byte| (b'1'..=b'9').contains(byte));
    name.is_empty() || is("no-cache") || is("no-store") || is("only-if-cached") || (is("max-age") && !is_above_0)
}
