#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accepted;
mod answer;
mod body;
mod coalesce;
mod compact;
mod connection;
mod failure;
mod fields;
mod flagged;
mod fleet;
mod forwards;
mod lines;
mod link;
mod log;
mod options;
mod pace;
mod proxy;
mod sender;
mod server;
mod socket;
mod status;
mod target;
mod upgrade;
mod upstream;
mod wire;
mod worker;

pub use self::{options::Options, proxy::Proxy};
