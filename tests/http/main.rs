//! `HttpSingleflightLayer`, polled by hand: every rule of sharing over HTTP, with exact counts and no sleeps.

mod origin;

mod again;
mod attack;
mod bodies;
mod breakage;
mod bypass;
mod coalescing;
mod content;
mod context;
mod extensions;
mod fields;
mod groups;
mod keys;
mod leaving;
mod limits;
#[cfg(feature = "axum")]
mod nested;
mod nesting;
mod oddities;
mod personal;
mod release;
mod router;
mod rules;
mod sockets;
mod stacks;
mod status;
mod tonic_client;
mod variants;
mod wire;
mod writes;
