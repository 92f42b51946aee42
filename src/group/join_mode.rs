//! How a caller wants to be registered.

use tokio::time::Instant;

use super::place::MaxWait;
use crate::sync::Spawner;

/// How a caller wants to be registered.
pub(super) struct JoinMode {
    /// The caller does not follow: where there is a flight that it could follow, it goes alone.
    pub(super) leads: bool,
    /// Where there is such a flight, it does not even go alone: it makes no call, and is not counted.
    pub(super) tries: bool,
    /// `Some` if the caller is fresh: it joins no flight whose work has begun, but waits behind it, for so long at most
    /// (invariant 13).
    pub(super) fresh: Option<MaxWait>,
    /// Since when the caller has waited, if it has called before.
    pub(super) since: Option<Instant>,
    /// `Some` for Go's `DoChan`: the flight runs to its end, in a task from the start.
    pub(super) spawner: Option<Spawner>,
}

impl JoinMode {
    /// It joins a flight, or leads one where there is none.
    pub(super) const JOIN_OR_LEAD: Self = Self { leads: false, tries: false, fresh: None, since: None, spawner: None };
    #[cfg(feature = "http")]
    pub(super) const LEAD_ONLY: Self = Self { leads: true, ..Self::JOIN_OR_LEAD };

    /// It leads where there is no flight; where there is one, no call is made.
    pub(super) const TRY_LEAD: Self = Self { leads: true, tries: true, ..Self::JOIN_OR_LEAD };

    pub(super) fn fresh(max_wait: MaxWait) -> Self {
        Self { fresh: Some(max_wait), ..Self::JOIN_OR_LEAD }
    }

    #[cfg(feature = "http")]
    pub(super) fn since(called: Instant) -> Self {
        Self { since: Some(called), ..Self::JOIN_OR_LEAD }
    }

    pub(super) fn spawned(self, spawner: Spawner) -> Self {
        Self { spawner: Some(spawner), ..self }
    }
}
