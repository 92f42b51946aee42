//! `BodySource` and `SharedBody` on their own, and responses that are `Clone` by them.

mod inner;

mod clones;
mod faults;
mod sharing;
mod slow;
mod walk;
