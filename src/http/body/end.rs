//! How the inner body ended.

use super::error::BodyError;

/// How the inner body ended, for readers that have taken all frames; an answer's flight has landed long before.
pub(super) enum End {
    Clean,
    Error(BodyError),
}
