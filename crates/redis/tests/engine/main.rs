//! Every operation of the engine, on real servers.

mod common;

#[cfg(feature = "cluster")]
mod cluster;
mod construction;
mod faults;
mod flights;
mod keys;
mod lost;
mod news;
mod rights;
mod told;
mod wire;
