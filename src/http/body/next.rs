//! What a reader is to do next.

use std::sync::Arc;

use super::{
    checked::Checked,
    error::BodyError,
    freed::Freed,
    part::Part,
    spill::{Job, Segment},
};

/// How the inner body ended.
pub(super) enum End {
    Clean,
    Error(BodyError),
}

/// What a reader waits for.
#[derive(Clone, Copy)]
pub(super) enum For {
    Body,
    Room,
}

/// What a reader is to do next.
pub(super) enum Next<B> {
    Take(Part, Freed),
    End(Option<BodyError>),
    /// Poll the inner body.
    Poll(Checked<B>),
    /// Read from disk: a file, where in it, and how many bytes.
    Read(Arc<Segment>, u64, usize),
    /// Have this written, then ask again.
    Spill(Job),
    Wait(For),
}
