//! Coalescing over HTTP: [`HttpSingleflightLayer`](crate::HttpSingleflightLayer) and what it is made of.
//!
//! ```text
//! layer ─► content ─► service ─► future ─► fetch ─► judge
//!                        │          │        └────────┴──► asker ─► landed ─► body    many readers of one body
//!                        └──────────┴─► shared ─► write, group ─► fence, release, unshareable
//!                                          └────► config ─► key      what is asked
//!                                                      └──► policy   may it be shared, and with whom
//! ```
//!
//! Below them lies the [`Group`](crate::Group), which knows no HTTP.

mod asker;
mod body;
mod bypass;
mod clone_body;
mod config;
mod content;
mod fence;
mod fetch;
mod future;
mod group;
mod grpc_web;
mod judge;
mod key;
mod landed;
mod layer;
mod passed;
mod policy;
mod release;
mod rule;
mod service;
mod shared;
mod unshareable;
mod write;

#[cfg(any(doc, doctest))]
pub use self::key::excepted_fields;
pub use self::{
    body::{BodyError, BodySource, LargeBodies, SharedBody, SpillStore},
    clone_body::{CloneBody, CloneBodyFuture, CloneBodyLayer},
    content::{ContentBody, ContentFuture, ContentSingleflight, Contents, Heads, HttpContent},
    future::HttpResponseFuture,
    group::HttpGroup,
    key::HttpKey,
    layer::HttpSingleflightLayer,
    rule::{Coalesced, Rule},
    service::HttpSingleflight,
};
