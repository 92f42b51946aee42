#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

mod error;
mod future;
mod group;
#[cfg(feature = "http")]
mod http;
mod key;
mod layer;
mod limits;
mod outcome;
mod service;
mod sync;

pub use self::{
    error::SharedError,
    future::ResponseFuture,
    group::{Call, Group},
    key::KeyFn,
    layer::SingleflightLayer,
    limits::{Limits, OnAbandon},
    outcome::{Outcome, Reason, Role},
    service::Singleflight,
};
