//! What a reader is to do next.

use std::sync::Arc;

use super::{
    checked::Checked,
    deferred::Deferred,
    error::BodyError,
    part::BodyPart,
    spill::{Job, Segment},
};

/// What a reader waits for.
#[derive(Clone, Copy)]
pub(super) enum WaitFor {
    Body,
    Room,
}

/// What a reader is to do next.
pub(super) enum Step<B> {
    Take(BodyPart, Deferred),
    End(Option<BodyError>),
    /// Poll the inner body.
    Poll(Checked<B>),
    /// Read from disk: a file, where in it, and how many bytes.
    Read(Arc<Segment>, u64, usize),
    /// Have this written, then ask again.
    Spill(Job),
    Wait(WaitFor),
}
