//! What a flight has while it waits behind the one that runs.

use tokio::time::Instant;

use super::reentrancy::Edge;

/// The wait of a flight for its turn: fresh callers alone find it, through the flight that runs (invariants 1, 13).
pub(super) struct Turn {
    /// When it waits no longer, and starts beside the flight that runs; `None`: it waits as long as that takes.
    pub(super) overtakes: Option<Instant>,
    /// Stands for the wait behind the flight that runs, so that work which would wait for itself through the two
    /// flights is found to close a circle.
    pub(super) _edge: Box<Edge>,
}
