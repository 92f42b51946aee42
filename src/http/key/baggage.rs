//! `Baggage` (W3C): what a tracer keeps in it is no part of the key; other members route, and count.

use http::HeaderMap;

use super::{
    encode::{Tag, Written},
    excepted::is_plain,
};
use crate::http::rule::Rule;

/// Writes the members that count, in order. Those of a tracer count too if their value is odd, as with any field of the
/// list. An error if one that counts is not plain ASCII.
pub(super) fn write(headers: &HeaderMap, written: &mut Written) -> Result<(), Rule> {
    let members = || {
        let lines = headers.get_all("baggage").iter().map(http::HeaderValue::as_bytes);
        lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).filter(|member| counts(member))
    };
    if !members().all(<[u8]>::is_ascii) {
        return Err(Rule::S27Field);
    }
    written.values(Tag::Pieces, b"baggage", members);
    Ok(())
}

fn counts(member: &[u8]) -> bool {
    !member.is_empty() && (!member.starts_with(b"sentry-") || !is_plain("baggage", member))
}
