//! Coalescing over HTTP.
//!
//! [`HttpSingleflightLayer`] is what most need: one line on a router, or round a client. The rest of this module is the
//! types that its settings, its answers and its groups are made of:
//!
//! - [`HttpGroup`] is where flights are; [`HttpKey`] is what a request asks for;
//! - [`Coalesced`], an extension of every response, says what became of the request, and by which [`Rule`];
//! - [`SharedBody`] is the body of every response; [`BodySource`] and [`CloneBodyLayer`] share bodies without the layer;
//! - [`LargeBodies`] and [`SpillStore`] say what becomes of bodies that a slow reader would hold up;
//! - [`HttpObserver`] is told what happens; `StatusPage` (feature `status`) shows it, and `DryRun` (feature `dry-run`) only
//!   tries what the layer would do.
//!
//! Which rules it keeps, by number: [the page of rules](crate::guide::http_rules). How a request goes through it:
//! [architecture](crate::guide::architecture).

// layer ─► content ─► service ─► future ─► bypass                a call that shares nothing
//                       │          └─────► fetch ─► judge ─► requester ─► answer
//                       └─► plan ─► coalescer ─► write, passed, group ─► fence, release, unshareable
//                                       └──────► config ─► key      what is asked
//                                                  ├─────► policy   may it be shared, and with whom
//                                                  └─────► body     many readers of one body
//
// Beside the way of a request: explain ─► judge, plan   what would become of two of them

mod answer;
mod body;
mod bypass;
mod clone_body;
mod coalescer;
mod config;
mod content;
mod counts;
#[cfg(feature = "dry-run")]
pub mod dry_run;
mod explain;
mod fence;
mod fetch;
mod fleet;
mod future;
mod group;
mod grpc_web;
mod judge;
mod key;
mod label;
mod layer;
mod mark;
mod membership;
mod observe;
#[cfg(any(feature = "dry-run", feature = "status"))]
mod one_line;
mod passed;
mod plan;
mod policy;
mod release;
mod requester;
mod respond;
mod rule;
mod service;
mod shadow;
#[cfg(feature = "status")]
mod status;
mod storm;
mod unshareable;
mod watch;
mod write;

#[cfg(feature = "dry-run")]
pub use self::dry_run::DryRun;
#[cfg(any(doc, doctest))]
pub use self::key::excepted_fields;
#[cfg(feature = "status")]
pub use self::status::{StatusBody, StatusPage};
pub use self::{
    body::{BodyError, BodySource, LargeBodies, SharedBody, SpillStore},
    clone_body::{CloneBody, CloneBodyFuture, CloneBodyLayer},
    content::{ContentBody, ContentFuture, ContentSingleflight, Contents, Heads, HttpContent},
    explain::{Asked, Explanation, ResponseExplanation},
    future::HttpResponseFuture,
    group::HttpGroup,
    key::{Difference, HttpKey},
    layer::HttpSingleflightLayer,
    observe::{HttpEvent, HttpObserver},
    rule::{Coalesced, Rule},
    service::HttpSingleflight,
};
