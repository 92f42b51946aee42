//! Flights that the processes of a fleet share, through an engine that all of them reach.
//!
//! Local flights come first: a process has one flight for a key as ever, and only the work of that flight asks the
//! [`Engine`] whether another process runs the same already.

mod engine;
mod name;
mod news;

pub use self::{
    engine::{Closed, Engine, Join, Joined, Peek, Reply, Unavailable},
    name::{FenceScope, Name, Token},
    news::News,
};
