//! The name of a flight, in logs and events.

use std::{fmt, num::NonZeroU64};

/// One flight among all the groups of the process: what joins the log lines of followers to their leader's.
///
/// Printed as two numbers, such as `3.41`: the part of a group that the flight is in, counted through the process, and
/// the flight in it. It says nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlightId {
    /// The number of the shard, which no other in the process has. It is never 0, so that an `Option` takes no more
    /// room.
    pub(crate) shard: NonZeroU64,
    /// The flight in the shard.
    pub(crate) serial: u64,
}

impl fmt::Display for FlightId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.shard, self.serial)
    }
}
