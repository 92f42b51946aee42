//! The request's fields: those that count, in the key, and behind it the others as they were asked, since `Vary` may name
//! any of them when the request is long gone.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    encode::{Sink, Tag, Write, counted},
    excepted::{BY_MEMBER, Listed, listed},
};
use crate::http::rule::Rule;

/// What one pass over a request's fields finds.
#[derive(Default)]
pub(super) struct Found<'a> {
    /// The only `Host`.
    pub(super) host: Option<&'a [u8]>,
    /// There is a `Forwarded`.
    pub(super) forwarded: bool,
    /// There is a `Baggage`.
    pub(super) baggage: bool,
    /// A field says how long the caller waits (S28).
    pub(super) deadline: bool,
    /// The lines that count, field by field in one order, those of one field as they were asked.
    pub(super) counted: Lines<'a>,
    /// The lines of all other fields.
    pub(super) others: Lines<'a>,
}

/// How a line of a request is to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// It counts, as all lines of its field do.
    Always,
    /// It counts for its odd value; others of its field do not.
    Odd,
    Never,
}

#[derive(Default)]
pub(super) struct Lines<'a> {
    few: [Option<Line<'a>>; FEW_LINES],
    /// How many of the few there are.
    length: usize,
    /// All of them, if they are more than a few.
    many: Vec<Option<Line<'a>>>,
}

pub(super) type Line<'a> = (&'a str, &'a HeaderValue);

/// What most requests have at most of either kind; they take no allocation.
const FEW_LINES: usize = 12;

impl<'a> Found<'a> {
    /// Fills it, once; in place, since returning it would copy it. `look_at` is shown each line that is no part of the
    /// key, or begins with an x, and may send the request alone. An error if a line that counts is not plain ASCII,
    /// which recipients read differently, or if `Host` is repeated (RFC 9112, section 3.2).
    pub(super) fn gather(
        &mut self,
        headers: &'a HeaderMap,
        count: impl Fn(&HeaderName, Line<'_>, Listed) -> Count,
        mut look_at: impl FnMut(&str, &HeaderValue) -> Result<(), Rule>,
    ) -> Result<(), Rule> {
        for (name, value) in headers {
            if *name == header::HOST && self.host.replace(value.as_bytes()).is_some() {
                return Err(Rule::S2Target);
            }
            self.forwarded |= *name == header::FORWARDED;
            let line = (name.as_str(), value);
            let standing = listed(line.0);
            if standing != Listed::No || line.0.starts_with('x') {
                look_at(line.0, value)?;
            }
            self.deadline |= standing == Listed::Time;
            self.baggage |= standing == Listed::Settled && line.0 == BY_MEMBER;
            let count = count(name, line, standing);
            if count != Count::Never {
                value.to_str().map_err(|_| Rule::S27Field)?;
                self.counted.push(line);
            }
            if count != Count::Always {
                self.others.push(line);
            }
        }
        self.counted.sort();
        Ok(())
    }
}

impl<'a> Lines<'a> {
    fn push(&mut self, line: Line<'a>) {
        match self.few.get_mut(self.length) {
            Some(place) => {
                *place = Some(line);
                self.length += 1;
            }
            None => {
                if self.many.is_empty() {
                    self.many.extend(self.few);
                }
                self.many.push(Some(line));
            }
        }
    }

    /// Sorts by name, the shorter ones first; the lines of one field stay in order.
    fn sort(&mut self) {
        let all = if self.many.is_empty() { &mut self.few[..self.length] } else { &mut self.many };
        if all.len() < 2 {
            return;
        }
        all.sort_by_key(|line| line.map(|(name, _)| (name.len(), name)));
    }

    fn iter(&self) -> impl Iterator<Item = Line<'a>> {
        let all = if self.many.is_empty() { &self.few[..self.length] } else { &self.many };
        all.iter().copied().flatten()
    }
}

/// Lines that count.
pub(super) struct Counted<'a>(pub(super) &'a Lines<'a>);

impl Write for Counted<'_> {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Rule> {
        for (name, value) in self.0.iter() {
            sink.part(Tag::Field, name.as_bytes());
            sink.counted(value.as_bytes());
        }
        Ok(())
    }
}

/// Lines as they were asked.
pub(super) struct AsAsked<'a>(pub(super) &'a Lines<'a>);

impl Write for AsAsked<'_> {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Rule> {
        for (name, value) in self.0.iter() {
            sink.counted(name.as_bytes());
            sink.counted(value.as_bytes());
        }
        Ok(())
    }
}

/// Bytes that were written before.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Write for Bytes<'_> {
    fn write(&self, sink: &mut impl Sink) -> Result<(), Rule> {
        sink.raw(self.0);
        Ok(())
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
    fn write(&self, sink: &mut impl Sink) -> Result<(), Rule> {
        sink.raw(self.key);
        sink.part(Tag::Variant, &[]);
        for name in self.names {
            let name = name.as_str().as_bytes();
            sink.values(Tag::Field, name, || lines(self.fields, name));
        }
        Ok(())
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
