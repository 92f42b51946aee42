//! The rules of HTTP, by their numbers, with leader and follower in different processes.
//!
//! A scenario is played once for each way to spread its callers over processes, and what they get must be the same as in one
//! process: how often the origin is asked, whose answer each of them has, and all that a client sees of it. Where it is not, the
//! test says what it is instead, and why. `tests/house` sees to it that no rule is left out.

mod answers;
mod bodies;
mod context;
mod decisions;
mod failures;
mod fields;
mod followers;
mod harness;
mod limits;
mod play;
mod requests;
mod site;
mod writes;
