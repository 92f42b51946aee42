//! The request's fields. Those that count are in the key. The others stand before it as they were asked, since `Vary`
//! may name any of them when the request is long gone.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    encode::{Tag, Written, counted},
    excepted::{Listed, is_plain, listed},
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
    /// There is a `Cache-Control` or a `Pragma`.
    pub(super) directives: bool,
    /// A field says how long the caller waits (S28).
    pub(super) deadline: bool,
    /// The lines that count, sorted by field; those of one field in the order in which they came.
    pub(super) counted: Lines<'a>,
}

/// Whether a line of a request counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// It counts, as all lines of its field do.
    Always,
    /// It counts for its odd value; others of its field do not.
    Odd,
    Never,
}

pub(super) struct Lines<'a> {
    few: [Line<'a>; FEW_LINES],
    /// What the few are sorted by: the rank of a line's name, and in the lowest byte which line it is. Numbers, since
    /// sorting lines took twice as long.
    order: [u64; FEW_LINES],
    /// How many of the few there are.
    length: usize,
    /// All of them, if they are more than a few.
    many: Vec<Line<'a>>,
}

pub(super) type Line<'a> = (&'a str, &'a HeaderValue);

/// How many lines that count most requests have at most: these take no allocation.
const FEW_LINES: usize = 12;

/// The value where there is no line: an `Option` for each line would have to be checked.
static NO_VALUE: HeaderValue = HeaderValue::from_static("");

/// Returns a number made of the end of a name, where the names of browsers' fields differ. Its lowest byte is 0.
#[inline(always)]
fn rank(name: &str) -> u64 {
    match name.as_bytes().last_chunk() {
        Some(last) => u64::from_be_bytes(*last) << 8,
        None => name.bytes().fold(0, |rank, byte| (rank | u64::from(byte)) << 8),
    }
}

impl<'a> Found<'a> {
    /// Fills this once, in place: returning it would copy it. The lines of fields that do not count are written down as
    /// they were asked. `look_at` is shown each line that another rule looks at, and may send the request alone. An
    /// error if a line that counts is not plain ASCII, which recipients read differently, or if `Host` is repeated (RFC
    /// 9112, section 3.2).
    #[inline(always)]
    pub(super) fn gather(
        &mut self,
        headers: &'a HeaderMap,
        written: &mut Written,
        count: impl Fn(&HeaderName, Line<'_>, Listed) -> Count,
        mut look_at: impl FnMut(&str, &HeaderValue) -> Result<(), Rule>,
    ) -> Result<(), Rule> {
        for (name, value) in headers {
            let line = (name.as_str(), value);
            let listed = listed(line.0);
            match listed {
                // The fields that override the method (S30) begin with `x`.
                Listed::No if line.0.starts_with('x') => look_at(line.0, value)?,
                Listed::No | Listed::Yes => {}
                Listed::Time => self.deadline = true,
                Listed::Ruled => look_at(line.0, value)?,
                Listed::Settled => {
                    look_at(line.0, value)?;
                    self.directives |= matches!(line.0, "cache-control" | "pragma");
                }
                Listed::Own => self.note(line)?,
            }
            let count = count(name, line, listed);
            if count != Count::Never {
                // No value holds control characters; what is not ASCII, recipients read differently.
                if !value.as_bytes().is_ascii() {
                    return Err(Rule::S27Field);
                }
                self.counted.push(line);
            }
            if count != Count::Always {
                written.line(line.0, value.as_bytes());
            }
        }
        self.counted.sort();
        Ok(())
    }

    /// Notes a line that is a part of the key in a form of its own.
    #[inline(always)]
    fn note(&mut self, (name, value): Line<'a>) -> Result<(), Rule> {
        match name {
            "host" if self.host.replace(value.as_bytes()).is_some() => return Err(Rule::S2Target),
            "forwarded" => self.forwarded = true,
            "baggage" => self.baggage = true,
            _ => {}
        }
        Ok(())
    }
}

impl Count {
    /// Returns whether a line counts, by how its field stands to the list.
    #[inline(always)]
    pub(super) fn of(line: Line<'_>, standing: Listed) -> Self {
        match standing {
            Listed::No => Self::Always,
            Listed::Settled | Listed::Own => Self::Never,
            Listed::Yes | Listed::Time | Listed::Ruled if is_plain(line.0, line.1.as_bytes()) => Self::Never,
            Listed::Yes | Listed::Time | Listed::Ruled => Self::Odd,
        }
    }
}

impl<'a> Lines<'a> {
    #[inline(always)]
    fn push(&mut self, line: Line<'a>) {
        match (self.few.get_mut(self.length), self.order.get_mut(self.length)) {
            (Some(place), Some(order)) => {
                *place = line;
                *order = rank(line.0) | self.length as u64;
                self.length += 1;
            }
            _ => self.push_more(line),
        }
    }

    #[cold]
    fn push_more(&mut self, line: Line<'a>) {
        if self.many.is_empty() {
            self.many.extend(self.few);
        }
        self.many.push(line);
    }

    /// Sorts by name, in one order of all names; the lines of one field stay in order.
    #[inline(always)]
    fn sort(&mut self) {
        if !self.many.is_empty() {
            return sort(&mut self.many);
        }
        let order = &mut self.order[..self.length];
        if order.len() > 1 {
            order.sort_unstable();
            // Two names may have the same rank, and came in any order.
            if order.windows(2).any(|pair| pair[0] >> 8 == pair[1] >> 8) {
                self.sort_by_name();
            }
        }
    }

    #[cold]
    fn sort_by_name(&mut self) {
        sort(&mut self.few[..self.length]);
        self.order.iter_mut().enumerate().for_each(|(at, order)| *order = at as u64);
    }

    /// Writes them as parts of a key.
    #[inline(always)]
    pub(super) fn write(&self, written: &mut Written) {
        if self.many.is_empty() {
            for order in &self.order[..self.length] {
                if let Some((name, value)) = self.few.get(usize::from(*order as u8)) {
                    written.tagged_line(Tag::Field, name, value.as_bytes());
                }
            }
        }
        for (name, value) in &self.many {
            written.tagged_line(Tag::Field, name, value.as_bytes());
        }
    }
}

/// Sorts by rank, and by name.
fn sort(lines: &mut [Line<'_>]) {
    lines.sort_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
}

impl Default for Lines<'_> {
    fn default() -> Self {
        Self { few: [("", &NO_VALUE); FEW_LINES], order: [0; FEW_LINES], length: 0, many: Vec::new() }
    }
}

/// Returns all lines, in order, each with the name of its field.
#[inline]
pub(super) fn all_lines(fields: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = fields;
    std::iter::from_fn(move || {
        let (name, after) = counted(rest)?;
        let (value, after) = counted(after)?;
        rest = after;
        Some((name, value))
    })
}

/// Returns the lines of a field, in order.
#[inline]
pub(super) fn lines<'a>(fields: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    all_lines(fields).filter(move |(field, _)| *field == name).map(|(_, value)| value)
}
