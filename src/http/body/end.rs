//! How the inner body ended.

use super::error::BodyError;

/// How the inner body ended, for readers that have taken all frames. The flight landed before, when the head was there.
pub(super) enum BodyEnd {
    Clean,
    Error(BodyError),
}
