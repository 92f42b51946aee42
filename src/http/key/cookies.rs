//! Chosen cookies as key parts (S6).

use std::collections::BTreeMap;

use http::{HeaderMap, header};

use super::encode::{Tag, Written};
use crate::http::rule::Rule;

/// Writes the values of the named cookies; an error if a `Cookie` field is outside the grammar.
pub(super) fn write(names: &[Box<str>], headers: &HeaderMap, written: &mut Written) -> Result<(), Rule> {
    if !pairs(headers).all(|pair| pair.is_some()) {
        return Err(Rule::S6Cookie);
    }
    for wanted in names {
        let wanted = wanted.as_bytes();
        let values = || pairs(headers).flatten().filter(|(name, _)| *name == wanted).map(|(_, value)| value);
        written.values(Tag::Cookie, wanted, values);
    }
    Ok(())
}

/// Returns whether all cookies are of these names, and the `Cookie` fields in order.
pub(in crate::http) fn are_all_named(names: &[Box<str>], headers: &HeaderMap) -> bool {
    pairs(headers).all(|pair| pair.is_some_and(|(name, _)| names.iter().any(|known| known.as_bytes() == name)))
}

/// Returns the pairs of all lines, which is how HTTP/2 sends them (RFC 9113, section 8.2.3).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    pairs_of(headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes))
}

/// Returns the values of these lines by the names of their cookies; `None` if something is outside the grammar.
pub(in crate::http) fn cookies_by_name<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
) -> Option<BTreeMap<&'a [u8], Vec<&'a [u8]>>> {
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for pair in pairs_of(lines) {
        let (name, value) = pair?;
        named.entry(name).or_default().push(value);
    }
    Some(named)
}

/// Returns the pairs of these lines; a `None` is one that is outside the grammar.
fn pairs_of<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Option<(&'a [u8], &'a [u8])>> {
    lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
        .map(pair)
}

/// Returns name and value by the strict grammar of RFC 6265, section 4.2.1: where there is a comma or a lone quote,
/// some readers see another cookie.
fn pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&pair[..equals], &pair[equals + 1..]);
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let name_ok =
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte));
    let value_ok = quoted.unwrap_or(value).iter().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(byte));
    (name_ok && value_ok).then_some((name, value))
}
