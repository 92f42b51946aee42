//! What a fleet of processes does through real servers, and what becomes of its callers when these fail.
//!
//! Each scenario starts its own servers and its own processes, and ends them. It panics where a promise is broken, and
//! returns what it measured.

pub mod processes;
pub mod scenarios;
pub mod worker;
