//! A frame that is kept until all readers have taken it.

use super::{BodyPart, Hints};

pub(super) struct BufferedFrame {
    pub(super) frame: BodyPart,
    /// What the inner body said of itself before it came.
    pub(super) before: Hints,
    /// How many readers have yet to take it.
    pub(super) readers: usize,
}

/// What a frame weighs beside its data, in bytes, so that empty ones count too.
pub(super) const FRAME: usize = 64;

impl BufferedFrame {
    /// Returns what it weighs, in bytes.
    pub(super) fn weight(&self) -> usize {
        Self::weight_of(&self.frame)
    }

    pub(super) fn weight_of(frame: &BodyPart) -> usize {
        frame.len() + FRAME
    }
}
