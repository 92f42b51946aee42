//! Where frames go that do not fit the window: segments of temporary files.
//!
//! ```text
//! store ─ how much there may be, on which disk
//! log   ─ what of one body lies there, in order ─► segments
//! task  ─ writes, off the runtime's threads
//! ```

mod disk;
mod log;
mod store;
mod task;
#[cfg(test)]
mod tests;

pub use self::store::SpillStore;
pub(super) use self::{
    log::{Job, Log},
    store::Segment,
    task::Spilling,
};

/// How much goes to one file, in bytes; a larger frame has a file of its own.
const SEGMENT: u64 = 4 << 20;

/// How much is written at a time, in bytes; at most one frame more.
pub(super) const BATCH: u64 = 1 << 20;

/// How much is read at a time, in bytes; a reader holds that much.
pub(super) const CHUNK: u64 = 64 << 10;
