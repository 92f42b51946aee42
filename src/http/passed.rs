//! What is known of a request from services of one layer value that it passed before. How many they were, and its key
//! at the last of them, are parts of its key (S2).
//!
//! One layer value may stand above and below an auth layer that strips the field which says who asks. A request below
//! it then looks like an anonymous one above it, and like another user's, and must meet neither. Where the upper
//! service saw no key, nothing tells who asks, and the request goes alone below too.

use std::{cell::RefCell, iter};

use http::{HeaderName, HeaderValue, request};

use super::{group::HttpGroup, key::HttpKey, rule::Rule};
use crate::sync::thread_local;

/// Credentials, line by line.
pub(super) type Lines = Vec<(HeaderName, HeaderValue)>;

/// An extension of requests.
#[derive(Clone, Debug)]
struct Marks {
    /// Beside the others: most requests pass services of one layer value only, and this spares them an allocation.
    first: Mark,
    others: Vec<Mark>,
}

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
    /// The rule that sent it alone at one of them, unless that was for its credentials. What told it apart there is not
    /// known, and may be gone.
    pub(super) alone: Option<Rule>,
    /// The credentials that it had at the first of them where it had any. Once they are gone, or others have taken their
    /// place, nothing in the request tells who asks.
    pub(super) credentials: Lines,
}

/// The poll of a service that did not mark its request.
///
/// A service that is the only one of its layer value marks nothing. But what it wraps may call a clone of it: a request
/// that comes from there may be the same one, less what told its user apart. (A request that comes from there through
/// another task cannot be seen.)
pub(super) struct Inside(bool);

thread_local! {
    /// The numbers of the groups of such services, from the outermost to the innermost.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Inside {
    #[inline]
    pub(super) fn enter(group: &HttpGroup, marked: bool) -> Self {
        Self(!marked && INSIDE.try_with(|inside| inside.borrow_mut().push(group.number())).is_ok())
    }

    /// Returns whether the thread polls such a service that marks by this group.
    #[inline]
    pub(super) fn is_current(group: &HttpGroup) -> bool {
        INSIDE.try_with(|inside| inside.borrow().contains(&group.number())).unwrap_or_default()
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        if self.0 {
            let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
        }
    }
}

impl Marks {
    /// Returns the mark of the services that mark by this group.
    fn of(&self, group: &HttpGroup) -> Option<&Mark> {
        iter::once(&self.first).chain(&self.others).find(|mark| mark.group == group.number())
    }

    /// Puts a mark in, in the place of an older one of the same group.
    fn put(&mut self, mark: Mark) {
        match iter::once(&mut self.first).chain(&mut self.others).find(|known| known.group == mark.group) {
            Some(known) => *known = mark,
            None => self.others.push(mark),
        }
    }
}

impl Passed {
    /// Returns whether a request has passed a service that marks by this group.
    pub(super) fn is_marked(parts: &request::Parts, group: &HttpGroup) -> bool {
        parts.extensions.get::<Marks>().is_some_and(|marks| marks.of(group).is_some())
    }

    pub(super) fn of(parts: &request::Parts, group: &HttpGroup) -> Self {
        let mark = parts.extensions.get::<Marks>().and_then(|marks| marks.of(group));
        mark.map(|mark| mark.passed.clone()).unwrap_or_default()
    }

    /// Marks a request that passes one service more, with this key, or alone by this rule, and with these credentials.
    pub(super) fn mark(
        self,
        parts: &mut request::Parts,
        group: &HttpGroup,
        key: Result<HttpKey, Rule>,
        credentials: Lines,
    ) {
        let passed = Self {
            services: self.services.saturating_add(1),
            alone: self.alone.or(key.as_ref().err().copied().filter(|rule| !is_by_credentials(*rule))),
            above: key.ok().or(self.above),
            credentials: if self.credentials.is_empty() { credentials } else { self.credentials },
        };
        let mark = Mark { group: group.number(), passed };
        match parts.extensions.get_mut::<Marks>() {
            Some(marks) => marks.put(mark),
            None => drop(parts.extensions.insert(Marks { first: mark, others: Vec::new() })),
        }
    }
}

/// Returns whether a rule sends requests alone for the credentials that are kept, and compared below.
const fn is_by_credentials(rule: Rule) -> bool {
    matches!(rule, Rule::S5Authorization | Rule::S6Cookie)
}
