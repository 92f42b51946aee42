//! How a caller wants to be registered.

use tokio::time::Instant;

use super::place::MaxWait;
use crate::sync::Spawner;

/// How a caller wants to be registered.
pub(super) struct JoinMode {
    /// It does not follow: beside a flight that it could follow, it goes alone.
    pub(super) leads: bool,
    /// It does not even go alone there: then it is no call, and is not counted.
    pub(super) tries: bool,
    /// `Some`: it joins no flight whose work has begun, and waits behind that one, for so long at most (invariant 13).
    pub(super) fresh: Option<MaxWait>,
    /// Since when the caller has waited, if it has called before.
    pub(super) since: Option<Instant>,
    /// Go's `DoChan`: the flight runs to its end, in a task from the start.
    pub(super) spawner: Option<Spawner>,
}

impl JoinMode {
    /// It joins a flight, or leads one where there is none.
    pub(super) const JOIN_OR_LEAD: Self = Self { leads: false, tries: false, fresh: None, since: None, spawner: None };
    #[cfg(feature = "http")]
    pub(super) const LEAD_ONLY: Self = Self { leads: true, ..Self::JOIN_OR_LEAD };

    /// It leads where there is no flight, and else is no call.
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
