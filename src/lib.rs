// The README's first examples are of the feature `http`.
#![cfg_attr(any(feature = "http", not(doctest)), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

mod builder;
pub mod check;
mod context;
mod error;
mod future;
mod group;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "http")]
mod http;
mod key;
mod layer;
mod limits;
mod outcome;
mod service;
mod sync;

#[cfg(feature = "http")]
pub use self::http::{
    BodyError, BodySource, CloneBody, CloneBodyFuture, CloneBodyLayer, Coalesced, ContentBody, ContentFuture,
    ContentSingleflight, Contents, Heads, HttpContent, HttpGroup, HttpKey, HttpResponseFuture, HttpSingleflight,
    HttpSingleflightLayer, LargeBodies, Rule, SharedBody, SpillStore,
};
pub use self::{
    builder::ServiceBuilderExt,
    check::assert_service,
    error::SharedError,
    future::ResponseFuture,
    group::{Call, Group},
    key::KeyFn,
    layer::SingleflightLayer,
    limits::{Limits, OnAbandon},
    outcome::{Outcome, Reason, Role},
    service::Singleflight,
};
