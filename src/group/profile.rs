//! A caller, as a group's observers see it.

/// What a group's observers are told of a caller, beside what it becomes.
#[derive(Clone, Copy)]
pub(crate) struct Profile<'a> {
    /// It has been counted: it followed another flight before, which could not serve it.
    pub(crate) again: bool,
    pub(crate) label: Option<&'a str>,
    /// Why it may not join a flight, where it may only lead one.
    pub(crate) leads_by: Option<&'static str>,
    /// How many observers are told of it.
    pub(crate) observers: usize,
}

impl Profile<'_> {
    /// Returns that of one that calls for the first time, and whose layer has no name for it; `None` if nobody is told.
    pub(super) fn plain(observers: usize) -> Option<Self> {
        (observers > 0).then_some(Self { again: false, label: None, leads_by: None, observers })
    }
}
