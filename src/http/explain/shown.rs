//! Names and values as a terminal may have them: escaped, and cut.

use std::fmt;

use http::HeaderName;

use crate::http::key::Difference;

/// How much of a name or a value is printed, in bytes.
const MOST: usize = 100;

/// How many values of one part are printed, and how many names in one line.
const MOST_VALUES: usize = 8;

/// Names of fields.
pub(super) struct Names<'a>(pub(super) &'a [HeaderName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|name| Cut(name.as_str().as_bytes()));
        list(names, self.0.len(), f)
    }
}

/// Writes the first of some things.
fn list<T: fmt::Display>(all: impl Iterator<Item = T>, many: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, one) in all.take(MOST_VALUES).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        write!(f, "{comma}{one}")?;
    }
    match many.saturating_sub(MOST_VALUES) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// The values of a part of the key in one request.
pub(super) struct Shown<'a>(pub(super) &'a [Vec<u8>]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(self.0.iter().map(|value| format!("\"{}\"", Cut(value))), self.0.len(), f)
    }
}

/// Bytes that may be anything.
struct Cut<'a>(&'a [u8]);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        match bytes.get(..MOST) {
            Some(start) if bytes.len() > MOST => write!(f, "{}.. ({} bytes)", start.escape_ascii(), bytes.len()),
            _ => write!(f, "{}", bytes.escape_ascii()),
        }
    }
}

/// Returns what a part is called.
pub(super) fn name(difference: &Difference) -> String {
    let named = |kind: &str, name: &str| format!("{kind} {}", Cut(name.as_bytes()));
    match difference {
        Difference::Group => "the group: only one shows the URI that it was asked for".into(),
        Difference::Method => "method".into(),
        Difference::Scheme => "scheme".into(),
        Difference::Authority => "authority".into(),
        Difference::Path => "path".into(),
        Difference::Parameter(name) => named("query parameter", name),
        Difference::Query => "query: what has no name in it, or the order of its parameters".into(),
        Difference::Rewritten => "what a router made of the URI".into(),
        Difference::Field(name) => named("field", name.as_str()),
        Difference::Credentials(name) => named("credentials:", name.as_str()),
        Difference::Cookie(name) => named("cookie", name),
        Difference::Content => "content".into(),
        Difference::Identity(name) => named("identity of type", name),
        Difference::Passed => "how many services of this layer they have passed".into(),
        Difference::Above(difference) => format!("at a service of this layer above: {}", name(difference)),
        Difference::Fence => "write fence: a write was answered between the one and the other".into(),
        Difference::Other => "something that has no name".into(),
    }
}
