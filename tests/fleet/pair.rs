//! The HTTP layer in two processes behind which one origin stands: what each of them gets, and how often it is asked.

mod answers;
mod bodies;
pub(crate) mod origin;
mod panics;
mod requests;
