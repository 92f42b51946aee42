//! What becomes of bodies that do not fit the window.

/// What an HTTP layer does with an answer whose body is larger than the window.
///
/// What fits the window is shared, and nobody ever waits for anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LargeBodies {
    /// An answer that is announced to be larger is not shared. One of unknown length that turns out to be larger is
    /// treated as by [`Stream`](Self::Stream).
    #[default]
    Alone,
    /// It is shared through the window alone: readers wait for slower ones, in sum at most for the stall time; then the
    /// slowest is cut.
    Stream,
    /// What is beyond the window goes to unnamed temporary files: nobody waits, and nobody is cut. Beyond these limits,
    /// or when the disk fails, it is treated as by [`Stream`](Self::Stream).
    #[cfg(feature = "spill")]
    Spill {
        /// In bytes, of one body at a time.
        per_body: u64,
        /// In bytes, of all bodies that share a [`SpillStore`](crate::http::SpillStore).
        total: u64,
    },
}
