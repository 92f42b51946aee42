//! Key parts, read back from their bytes, so that what tells two keys apart has a name.

use super::encode::{Tag, counted, length};

/// One part, as it was written.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum KeyPart<'a> {
    /// With one value.
    One(Tag, &'a [u8]),
    /// A line of a field.
    Line { name: &'a [u8], value: &'a [u8] },
    /// With any number of values under a name.
    Many { tag: Tag, name: &'a [u8], values: Vec<&'a [u8]> },
    /// A parameter of `Forwarded`, and which gateway it is of.
    Forwarded { name: &'a [u8], gateway: usize, value: &'a [u8] },
    /// How many gateways there were.
    Gateways(usize),
}

/// Reads parts, one after the other.
pub(super) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns what has not been read: behind the last part, nothing.
    #[cfg(test)]
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = KeyPart<'a>;

    fn next(&mut self) -> Option<KeyPart<'a>> {
        let (part, rest) = part(self.rest)?;
        self.rest = rest;
        Some(part)
    }
}

/// Returns the first part and what follows it.
pub(super) fn part(bytes: &[u8]) -> Option<(KeyPart<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let tag = Tag::of(*tag)?;
    Some(match tag {
        Tag::Gateways => {
            let (gateways, rest) = length(rest)?;
            (KeyPart::Gateways(gateways), rest)
        }
        Tag::Field => {
            let (name, rest) = counted(rest)?;
            let (value, rest) = counted(rest)?;
            (KeyPart::Line { name, value }, rest)
        }
        Tag::Forwarded => {
            let (name, rest) = counted(rest)?;
            let (gateway, rest) = length(rest)?;
            let (value, rest) = counted(rest)?;
            (KeyPart::Forwarded { name, gateway, value }, rest)
        }
        Tag::Parameters | Tag::Pieces | Tag::Cookie => {
            let (name, rest) = counted(rest)?;
            let (count, mut rest) = length(rest)?;
            let mut value = || {
                let (value, after) = counted(rest)?;
                rest = after;
                Some(value)
            };
            let values = (0..count).map(|_| value()).collect::<Option<_>>()?;
            (KeyPart::Many { tag, name, values }, rest)
        }
        Tag::Epoch
        | Tag::Method
        | Tag::Scheme
        | Tag::Authority
        | Tag::Path
        | Tag::Query
        | Tag::Stripped
        | Tag::Content
        | Tag::Variant
        | Tag::Passed
        | Tag::Above
        | Tag::Place => {
            let (value, rest) = counted(rest)?;
            (KeyPart::One(tag, value), rest)
        }
    })
}
