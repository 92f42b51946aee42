//! `BodySource` and `SharedBody` on their own, and responses that are `Clone` by them.

mod inner;
mod source;

mod clones;
mod ends;
mod faults;
mod sharing;
mod slow;
mod stalls;
mod walk;
