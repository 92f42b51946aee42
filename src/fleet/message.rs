//! What a flight lands with in the engine.

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Here is the outcome.
    Shared = 1,
    /// The outcome may not be shared, and that of the next call may not be either.
    NotShareable = 2,
    /// The outcome is larger than what is sent.
    TooLarge = 3,
    /// There is no outcome: one of those who wait takes over.
    Abandoned = 4,
    /// Each process may ask once more, with its own request.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the HTTP layer has a second try"))]
    Again = 5,
    /// There is no outcome to share, which says nothing of the next call.
    Failed = 6,
}

impl Kind {
    pub(super) const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Shared,
            2 => Self::NotShareable,
            3 => Self::TooLarge,
            4 => Self::Abandoned,
            5 => Self::Again,
            6 => Self::Failed,
            _ => return None,
        })
    }
}

/// A message before it is sealed, or once it has been opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// Returns one that says nothing but its kind.
    pub(crate) const fn bare(kind: Kind) -> Self {
        Self { kind, payload: Vec::new() }
    }

    pub(crate) const fn shared(payload: Vec<u8>) -> Self {
        Self { kind: Kind::Shared, payload }
    }
}
