//! Flights that many processes share. Each process is a group and a `Fleet` of its own, all on one engine.

#[macro_use]
mod pass_on;

mod behind_drops;
mod busy;
mod call;
mod closes;
mod driver;
#[cfg(feature = "dry-run")]
mod dry_run;
mod faults;
mod foreign;
mod layer;
mod leavers;
#[cfg(feature = "http")]
mod pair;
mod poison;
mod process;
#[cfg(feature = "http")]
mod rules;
mod seeds;
#[path = "../group/slow_drop.rs"]
mod slow_drop;
mod traits;
mod window;

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
#[path = "../http/origin.rs"]
#[allow(dead_code)]
mod origin;
#[cfg(feature = "http")]
mod timeless;
