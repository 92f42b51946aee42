//! What a gateway says of the request that it was asked (RFC 7239): host, scheme, and whatever else it adds.

use http::{HeaderMap, header};

use super::{
    encode::{Tag, Written},
    excepted::is_plain,
};
use crate::http::rule::Rule;

/// Writes all parameters, each with the number of its gateway. Only `for` and `by` do not count, since they differ
/// between clients that ask the same; they too count if their values are odd, as with any field of the list. An error
/// if a line is out of order.
pub(super) fn write(headers: &HeaderMap, written: &mut Written) -> Result<(), Rule> {
    let mut gateways = 0_usize;
    let mut found = false;
    for line in headers.get_all(header::FORWARDED) {
        gateways += 1;
        let mut rest = line.as_bytes();
        while !rest.trim_ascii_start().is_empty() {
            let (name, value, after) = pair(rest.trim_ascii_start()).ok_or(Rule::S27Field)?;
            if !is_address(name) || !is_plain("forwarded", value) {
                found = true;
                written.part(Tag::Forwarded, &name.to_ascii_lowercase());
                written.length(gateways);
                written.counted(value);
            }
            gateways += usize::from(after.first() == Some(&b','));
            rest = after.get(1..).unwrap_or_default();
        }
    }
    // Some readers believe the first gateway, others the last: how many there are counts, too.
    if found {
        written.raw(&[Tag::Gateways as u8]);
        written.length(gateways);
    }
    Ok(())
}

/// Returns whether a parameter says where the client or the gateway is.
fn is_address(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"for") || name.eq_ignore_ascii_case(b"by")
}

/// Returns a name, its value, and the rest from the `;` or `,` on. A value may hold more than the grammar allows, as
/// long as all readers see its end in the same place.
fn pair(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\;,=".contains(byte);
    let equals = bytes.iter().position(|byte| !plain(byte))?;
    let (name, rest) = bytes.split_at(equals);
    let rest = rest.strip_prefix(b"=")?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = quoted.iter().position(|byte| *byte == b'"')?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => rest.split_at(rest.iter().position(|byte| !plain(byte)).unwrap_or(rest.len())),
    };
    let rest = rest.trim_ascii_start();
    let in_order = value.iter().all(plain) && rest.first().is_none_or(|byte| b";,".contains(byte));
    in_order.then_some((name, value, rest))
}
