//! Key parts as bytes.
//!
//! Each part opens with a tag, and whatever has a variable length with that length, so what was written can be read
//! back in one way only: equal bytes mean equal parts (S3).

use std::sync::Arc;

use crate::http::rule::Rule;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Epoch = 1,
    Method,
    Scheme,
    Authority,
    Path,
    Query,
    /// What a router made of the URI: authority, path and query follow, those before it are as they were asked.
    Stripped,
    Field,
    Cookie,
    Content,
    /// The fields that `Vary` named follow.
    Variant,
    /// What a gateway saw.
    Forwarded,
    /// How many services of the same group the request has passed.
    Passed,
}

/// Where a key is written to.
pub(super) trait Sink {
    fn raw(&mut self, bytes: &[u8]);

    fn part(&mut self, tag: Tag, value: &[u8]) {
        self.raw(&[tag as u8]);
        self.counted(value);
    }

    fn counted(&mut self, value: &[u8]) {
        self.length(value.len());
        self.raw(value);
    }

    /// Seven bits to a byte, the lowest first, each byte but the last with its top bit set.
    fn length(&mut self, length: usize) {
        let mut rest = length;
        while rest > 0x7f {
            self.raw(&[rest as u8 | 0x80]);
            rest >>= 7;
        }
        self.raw(&[rest as u8]);
    }

    /// Any number of values under a name; nothing at all for none, so absent matches only absent.
    fn values<'a, I>(&mut self, tag: Tag, name: &[u8], values: impl Fn() -> I)
    where
        I: Iterator<Item = &'a [u8]>,
    {
        let count = values().count();
        if count > 0 {
            self.part(tag, name);
            self.length(count);
            values().for_each(|value| self.counted(value));
        }
    }
}

/// Reads back a value that [`Sink::counted`] wrote; returns it and what follows it.
pub(super) fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let shift = u32::try_from(7 * at).ok()?;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return bytes[at + 1..].split_at_checked(length);
        }
    }
    None
}

/// Fills a place, and counts what does not fit too.
struct Fill<'a> {
    place: &'a mut [u8],
    written: usize,
}

impl Sink for Fill<'_> {
    /// The same in one step, for what most parts are.
    #[inline]
    fn part(&mut self, tag: Tag, value: &[u8]) {
        let end = self.written.saturating_add(2 + value.len());
        match self.place.get_mut(self.written..end) {
            Some([first, second, rest @ ..]) if value.len() <= 0x7f => {
                (*first, *second) = (tag as u8, value.len() as u8);
                rest.copy_from_slice(value);
                self.written = end;
            }
            _ => {
                self.raw(&[tag as u8]);
                self.counted(value);
            }
        }
    }

    #[inline]
    fn counted(&mut self, value: &[u8]) {
        let end = self.written.saturating_add(1 + value.len());
        match self.place.get_mut(self.written..end) {
            Some([first, rest @ ..]) if value.len() <= 0x7f => {
                *first = value.len() as u8;
                rest.copy_from_slice(value);
                self.written = end;
            }
            _ => {
                self.length(value.len());
                self.raw(value);
            }
        }
    }

    fn raw(&mut self, bytes: &[u8]) {
        let end = self.written.saturating_add(bytes.len());
        if let Some(place) = self.place.get_mut(self.written..end) {
            place.copy_from_slice(bytes);
        }
        self.written = end;
    }
}

/// What can be written to any sink, the same each time.
pub(super) trait Write {
    /// An error: there is no key.
    fn write(&self, sink: &mut impl Sink) -> Result<(), Rule>;
}

/// What most keys take at most, with all fields of their request: they are written once, not counted first.
const FEW_BYTES: usize = 768;

/// Writes a key of at most `max` bytes, and something more behind it, in one allocation; returns where the key ends.
pub(super) fn encode(key: &impl Write, behind: &impl Write, max: usize) -> Result<(Arc<[u8]>, usize), Rule> {
    let mut few = [0; FEW_BYTES];
    let mut fill = Fill { place: &mut few, written: 0 };
    key.write(&mut fill)?;
    let end = fill.written;
    if end > max {
        return Err(Rule::S26KeyLength);
    }
    behind.write(&mut fill)?;
    let length = fill.written;
    if let Some(bytes) = few.get(..length) {
        return Ok((Arc::from(bytes), end));
    }
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
    let Some(place) = Arc::get_mut(&mut bytes) else { unreachable!("it is new") };
    let mut fill = Fill { place, written: 0 };
    key.write(&mut fill)?;
    behind.write(&mut fill)?;
    Ok((bytes, end))
}
