//! How the inner body ended.

use super::error::BodyError;

/// How the inner body ended.
pub(super) enum End {
    Clean,
    Error(BodyError),
}
