//! `HttpSingleflightLayer`, polled by hand: every rule of sharing over HTTP, with exact counts and no sleeps.

mod grpc;
mod herd;
mod origin;
#[path = "../group/stands.rs"]
mod stands;
#[path = "../told/told.rs"]
mod told;

mod again;
mod asked_once;
mod auth;
mod bodies;
mod bypass;
mod coalescing;
mod content;
mod context;
mod deadlines;
#[cfg(feature = "dry-run")]
mod dry_run;
mod explain;
mod extensions;
mod fields;
mod forget;
mod graphql;
mod groups;
mod grpc_writes;
mod keys;
mod leaving;
mod limits;
#[cfg(feature = "tracing")]
mod logs;
#[cfg(feature = "axum")]
mod nested;
mod nesting;
mod observe;
mod observe_bodies;
mod observe_late;
mod observe_slow;
mod observe_writes;
mod oddities;
mod passed_late;
mod personal;
mod release;
mod release_limit;
mod reload;
mod router;
mod rules;
mod sockets;
mod stacks;
mod status;
#[cfg(feature = "status")]
mod status_page;
mod storm;
mod told_and_counted;
mod tonic_client;
mod traits;
mod two_layers;
mod variants;
mod wire;
mod writes;
