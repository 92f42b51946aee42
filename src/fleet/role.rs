//! What a fleet did with the work of a flight.

/// What the fleet did with the work of a flight.
///
/// # Examples
///
/// ```
/// use tower_singleflight::fleet::{FleetReason, FleetRole};
///
/// assert_eq!(FleetRole::Local(FleetReason::Unavailable).name(), "unavailable");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetRole {
    /// The work ran here, and other processes could have joined.
    Led,
    /// The outcome is that of another process.
    Followed,
    /// The work ran here, and no other process could have joined it, for the reason given.
    Local(FleetReason),
}

/// Why work was run without the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FleetReason {
    /// It may not leave the process: its key holds what is somebody's own, or nothing that another process could compare.
    Private,
    /// `fleet_if` said no, or it is no flight that others may join.
    NotWanted,
    /// The engine did not answer in time, or failed.
    Unavailable,
    /// The engine has not answered of late, and is not asked for a while.
    Skipped,
    /// A write could not be told to the engine yet, and a flight from before it might be joined there.
    Unfenced,
    /// The outcome of another process is not for this one, or was not for it a moment ago.
    NotShareable,
    /// The outcome of another process is larger than what is sent.
    TooLarge,
    /// The message of another process was forged or broken, or of another version.
    BadMessage,
    /// Another process took longer than `max_wait`.
    WaitedTooLong,
    /// One flight after the other was abandoned.
    RejoinedTooOften,
    /// Too much is asked of the engine at once, or the process leaves the fleet ([`Fleet::drain`](crate::fleet::Fleet::drain)).
    Busy,
    /// There is no tokio runtime to ask it in.
    NoRuntime,
    /// It was called by work of the same name, which it would wait for.
    Reentrant,
}

impl FleetRole {
    /// Returns its name, as labels of metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Led => "led",
            Self::Followed => "followed",
            Self::Local(reason) => reason.name(),
        }
    }
}

impl FleetReason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Private,
        Self::NotWanted,
        Self::Unavailable,
        Self::Skipped,
        Self::Unfenced,
        Self::NotShareable,
        Self::TooLarge,
        Self::BadMessage,
        Self::WaitedTooLong,
        Self::RejoinedTooOften,
        Self::Busy,
        Self::NoRuntime,
        Self::Reentrant,
    ];

    /// Returns its name, as labels of metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::NotWanted => "not_wanted",
            Self::Unavailable => "unavailable",
            Self::Skipped => "skipped",
            Self::Unfenced => "unfenced",
            Self::NotShareable => "not_shareable",
            Self::TooLarge => "too_large",
            Self::BadMessage => "bad_message",
            Self::WaitedTooLong => "waited_too_long",
            Self::RejoinedTooOften => "rejoined_too_often",
            Self::Busy => "busy",
            Self::NoRuntime => "no_runtime",
            Self::Reentrant => "reentrant",
        }
    }
}
