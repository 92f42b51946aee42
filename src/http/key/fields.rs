//! The request's fields as they were asked, behind the key: `Vary` may name any of them when the request is long gone.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::encode::{Sink, Tag, Write, counted};

/// All fields of a request.
pub(super) struct Fields<'a>(pub(super) &'a HeaderMap);

impl Write for Fields<'_> {
    fn write(&self, sink: &mut impl Sink) -> Option<()> {
        for (name, value) in self.0 {
            sink.counted(name.as_str().as_bytes());
            sink.counted(value.as_bytes());
        }
        Some(())
    }
}

/// What one pass over a request's fields finds: `Host`, `Forwarded`, and the lines that count, field by field in order of
/// their names, those of one field as they were asked.
#[derive(Default)]
pub(super) struct Lines<'a> {
    /// The only `Host`.
    pub(super) host: Option<&'a [u8]>,
    /// There is a `Forwarded`.
    pub(super) forwarded: bool,
    few: [Option<Line<'a>>; FEW_LINES],
    /// All of them, if they are more than a few.
    many: Vec<Option<Line<'a>>>,
}

type Line<'a> = (&'a str, &'a HeaderValue);

/// What most requests have at most of those that count; they take no allocation.
const FEW_LINES: usize = 8;

impl<'a> Lines<'a> {
    /// Fills it, once; in place, since returning it would copy it. `None` if a line that counts is not plain ASCII, which
    /// recipients read differently, or if `Host` is repeated (RFC 9112, section 3.2).
    pub(super) fn gather(&mut self, headers: &'a HeaderMap, counts: impl Fn(&HeaderName) -> bool) -> Option<()> {
        let mut found = 0;
        for (name, value) in headers {
            if *name == header::HOST && self.host.replace(value.as_bytes()).is_some() {
                return None;
            }
            self.forwarded |= *name == header::FORWARDED;
            if !counts(name) {
                continue;
            }
            value.to_str().ok()?;
            let line = Some((name.as_str(), value));
            match self.few.get_mut(found) {
                Some(place) => *place = line,
                None => {
                    if self.many.is_empty() {
                        self.many.extend(self.few);
                    }
                    self.many.push(line);
                }
            }
            found += 1;
        }
        // Stable: the lines of one field stay in order.
        let all = if self.many.is_empty() { &mut self.few[..found] } else { &mut self.many };
        all.sort_by_key(|line| line.map(|(name, _)| name));
        Some(())
    }
}

impl Write for Lines<'_> {
    fn write(&self, sink: &mut impl Sink) -> Option<()> {
        let all = if self.many.is_empty() { &self.few[..] } else { &self.many };
        for (name, value) in all.iter().flatten() {
            sink.part(Tag::Field, name.as_bytes());
            sink.counted(value.as_bytes());
        }
        Some(())
    }
}

/// Bytes that were written before.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Write for Bytes<'_> {
    fn write(&self, sink: &mut impl Sink) -> Option<()> {
        sink.raw(self.0);
        Some(())
    }
}

/// A key, and the values that its request had in some of its fields (S9; RFC 9111, section 4.1).
pub(super) struct Variant<'a> {
    pub(super) key: &'a [u8],
    pub(super) fields: &'a [u8],
    /// In order, none twice.
    pub(super) names: &'a [HeaderName],
}

impl Write for Variant<'_> {
    fn write(&self, sink: &mut impl Sink) -> Option<()> {
        sink.raw(self.key);
        sink.part(Tag::Variant, &[]);
        for name in self.names {
            let name = name.as_str().as_bytes();
            sink.values(Tag::Field, name, || lines(self.fields, name));
        }
        Some(())
    }
}

/// Returns the lines of a field, in order.
pub(super) fn lines<'a>(fields: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = fields;
    std::iter::from_fn(move || {
        let (name, after) = counted(rest)?;
        let (value, after) = counted(after)?;
        rest = after;
        Some((name, value))
    })
    .filter(move |(field, _)| *field == name)
    .map(|(_, value)| value)
}
