//! `Cache-Control` and its like (RFC 9111, section 5.2), read strictly.
//!
//! Crates that read it skip what they do not know, and so miss a `private` behind a broken element. Here a line that is
//! not in order is an error.

use super::tokens::is_token_byte;

/// A directive and its argument; compare the name without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    pub(super) name: &'a [u8],
    /// As it stands, with its quotes.
    pub(super) argument: Option<&'a [u8]>,
}

/// The line is not a list of directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Directive<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns the argument as a number of seconds, in either form (RFC 9111, section 5.2).
    pub(super) fn seconds(&self) -> Option<u64> {
        let argument = self.argument?;
        let unquoted = argument.strip_prefix(b"\"").and_then(|argument| argument.strip_suffix(b"\""));
        seconds(unquoted.unwrap_or(argument))
    }
}

/// Reads delta-seconds (RFC 9111, section 1.2.2); more than can be counted is the most that can.
pub(super) fn seconds(digits: &[u8]) -> Option<u64> {
    let digit = |seconds: u64, digit: &u8| {
        digit.is_ascii_digit().then(|| seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, digit) }
}

/// Returns the directives of one line, up to where it ceases to be in order.
pub(super) fn directives(line: &[u8]) -> Directives<'_> {
    Directives { rest: Some(line) }
}

#[derive(Clone, Debug)]
pub(super) struct Directives<'a> {
    /// What follows a comma, or the start; `None` at the end.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Directives<'a> {
    type Item = Result<Directive<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest.take()?.trim_ascii_start();
            match rest.first() {
                None => return None,
                // An empty element (RFC 9110, section 5.6.1.2).
                Some(b',') => self.rest = Some(&rest[1..]),
                Some(_) => return Some(self.directive(rest).ok_or(Malformed)),
            }
        }
    }
}

impl<'a> Directives<'a> {
    fn directive(&mut self, rest: &'a [u8]) -> Option<Directive<'a>> {
        let (name, mut rest) = token(rest)?;
        let mut argument = None;
        if let Some(after) = rest.strip_prefix(b"=") {
            let (found, after) = if after.first() == Some(&b'"') { quoted(after)? } else { token(after)? };
            (argument, rest) = (Some(found), after);
        }
        match rest.trim_ascii_start() {
            [] => {}
            [b',', rest @ ..] => self.rest = Some(rest),
            _ => return None,
        }
        Some(Directive { name, argument })
    }
}

fn token(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(bytes.len());
    (end > 0).then(|| bytes.split_at(end))
}

/// A quoted string (RFC 9110, section 5.6.4), with its quotes.
fn quoted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(bytes.split_at(at + 1)),
            b'\\' => at += 2,
            byte if *byte == b'\t' || (b' '..=b'~').contains(byte) => at += 1,
            _ => return None,
        }
    }
}
