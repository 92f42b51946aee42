//! Starts Redis and Valkey on free ports of loopback, and ends them; each guard ends only what it started.

mod cluster;
mod kind;
mod server;

pub use self::{
    cluster::Cluster,
    kind::{Kind, say},
    server::{Server, until},
};
