//! Coalescing over HTTP: [`HttpSingleflightLayer`](crate::HttpSingleflightLayer) and what it is made of.
//!
//! ```text
//! layer ─► service ─► key      what is asked
//!             │  └──► policy   may it be shared, and with whom
//!             ▼
//!           future ─► body     many readers of one body
//! ```
//!
//! The three rooms on the right do not know each other. Below them lies the [`Group`](crate::Group), which knows no
//! HTTP.

mod body;
mod clone_body;
mod config;
mod content;
mod fence;
mod future;
mod group;
mod key;
mod layer;
mod policy;
mod release;
mod service;
mod unshareable;
mod work;

pub use self::{
    body::{BodyError, BodySource, SharedBody},
    clone_body::{CloneBody, CloneBodyFuture, CloneBodyLayer},
    content::{ContentBody, ContentFuture, ContentSingleflight, Contents, Heads, HttpContent},
    future::HttpResponseFuture,
    group::HttpGroup,
    key::HttpKey,
    layer::HttpSingleflightLayer,
    service::HttpSingleflight,
};
