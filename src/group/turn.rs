//! What a flight has while it waits behind the one that runs.

use tokio::time::Instant;

use super::reentrancy::Edge;

/// The wait of a flight for its turn: fresh callers alone find it, through the flight that runs (invariants 1, 13).
pub(super) struct Turn {
    /// When it waits no longer, and starts beside the flight that runs; `None`: it waits as long as that takes.
    pub(super) overtakes: Option<Instant>,
    /// It waits for the flight that runs: work that would wait for itself by way of the two finds the circle.
    pub(super) _edge: Box<Edge>,
}
