//! Request content in the key: read up to a size, and handed on whole and unchanged.

mod body;
mod future;
mod kind;
mod known;
mod read;
mod service;

pub use self::{
    body::ContentBody,
    future::ContentFuture,
    kind::{Contents, Heads, HttpContent},
    service::ContentSingleflight,
};
pub(super) use self::{kind::GRPC_CONTENT, known::RequestContent};
