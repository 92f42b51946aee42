//! How often a request has passed services of one group: a part of its key (S2).
//!
//! One layer value may stand above and below an auth layer that strips `Authorization`. What reaches the lower service
//! then looks as anonymous as what stands before the upper one, and must not meet it.

use http::request;

use super::group::HttpGroup;

/// An extension of requests.
#[derive(Clone, Debug, Default)]
struct Marks(Vec<Mark>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Which group it was.
    group: usize,
    passed: Passed,
}

/// What is known of a request from the services of its group that it has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// How many they were.
    pub(super) services: u32,
    /// It went alone there because of its credentials, which may be gone by now.
    pub(super) with_credentials: bool,
}

impl Passed {
    pub(super) fn of(parts: &request::Parts, group: &HttpGroup) -> Self {
        let Some(Marks(marks)) = parts.extensions.get() else { return Self::default() };
        marks.iter().find(|mark| mark.group == group.number()).map(|mark| mark.passed).unwrap_or_default()
    }

    /// Marks a request that passes one service more.
    pub(super) fn mark(self, parts: &mut request::Parts, group: &HttpGroup, with_credentials: bool) {
        let passed = Self {
            services: self.services.saturating_add(1),
            with_credentials: self.with_credentials || with_credentials,
        };
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
