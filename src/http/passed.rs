//! What a request was when it passed services of one layer value before: how many they were, and its key at the last of
//! them, are parts of its key (S2).
//!
//! One layer value may stand above and below an auth layer that strips `Authorization`. What reaches the lower service
//! then looks as anonymous as what stands before the upper one, and must not meet it.

use http::{HeaderName, HeaderValue, request};

use super::{group::HttpGroup, key::HttpKey};

/// Credentials, line by line.
pub(super) type Lines = Vec<(HeaderName, HeaderValue)>;

/// An extension of requests.
#[derive(Clone, Debug, Default)]
struct Marks(Vec<Mark>);

#[derive(Clone, Debug)]
struct Mark {
    /// Which group it was.
    group: usize,
    passed: Passed,
}

/// What is known of a request from the services that it has passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Passed {
    /// How many they were.
    pub(super) services: u32,
    /// Its key at the last of them, if it had one there: requests that were told apart there do not meet here, though what
    /// told them apart may be gone.
    pub(super) above: Option<HttpKey>,
    /// The credentials that it had at the first of them where it had any. Once they are gone, or others have taken their
    /// place, nothing in the request tells who asks.
    pub(super) credentials: Lines,
}

impl Passed {
    pub(super) fn of(parts: &request::Parts, group: &HttpGroup) -> Self {
        let Some(Marks(marks)) = parts.extensions.get() else { return Self::default() };
        marks.iter().find(|mark| mark.group == group.number()).map(|mark| mark.passed.clone()).unwrap_or_default()
    }

    /// Marks a request that passes one service more, with this key and these credentials.
    pub(super) fn mark(self, parts: &mut request::Parts, group: &HttpGroup, key: Option<HttpKey>, credentials: Lines) {
        let credentials = if self.credentials.is_empty() { credentials } else { self.credentials };
        let passed = Self { services: self.services.saturating_add(1), above: key.or(self.above), credentials };
        let mark = Mark { group: group.number(), passed };
        match parts.extensions.get_mut::<Marks>() {
            Some(Marks(marks)) => match marks.iter_mut().find(|mark| mark.group == group.number()) {
                Some(known) => *known = mark,
                None => marks.push(mark),
            },
            None => drop(parts.extensions.insert(Marks(vec![mark]))),
        }
    }
}
