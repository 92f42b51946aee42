//! How many threads the machine runs at once.

use std::{num::NonZeroUsize, sync::OnceLock, thread::available_parallelism};

/// Returns how many threads the process runs at once. The system is asked once: that takes some 10 us, since
/// Linux has the answer in files, and a group may be made for each connection.
pub(crate) fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| available_parallelism().map_or(1, NonZeroUsize::get))
}
