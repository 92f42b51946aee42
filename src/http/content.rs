//! Request content in the key: read up to a size, and handed on whole and unchanged.

mod body;
mod future;
mod read;
mod service;

use bytes::Bytes;
use http_body::Body;

pub use self::{body::ContentBody, future::ContentFuture, service::ContentSingleflight};
use super::policy;

/// What is known of a request's content.
pub(super) enum Content {
    Empty,
    /// All of it.
    Read(Bytes),
    Unknown,
}

impl Content {
    /// Returns the content, if it was read.
    pub(super) fn read(&self) -> Option<&[u8]> {
        match self {
            Self::Read(content) => Some(content),
            Self::Empty | Self::Unknown => None,
        }
    }

    /// Returns how much is known.
    pub(super) const fn known(&self) -> policy::Content {
        match self {
            Self::Empty => policy::Content::Empty,
            Self::Read(_) => policy::Content::Keyed,
            Self::Unknown => policy::Content::Unknown,
        }
    }

    /// Returns what is known without reading. One of no bytes may still carry trailers.
    pub(super) fn of(body: &impl Body) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Unknown }
    }
}

/// Requests share flights by their heads alone; those with content go alone.
#[derive(Clone, Copy, Debug)]
pub struct Heads;

/// Requests share flights by head and content, up to a size.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// In bytes.
    max: usize,
}

/// How much of a gRPC message is read for the key, in bytes, if [`content_key`](HttpSingleflightLayer::content_key)
/// says nothing.
pub(super) const GRPC_CONTENT: usize = 64 << 10;

impl Contents {
    pub(super) const fn new(max: usize) -> Self {
        Self { max }
    }
}

/// Whether content counts: the parameter of [`HttpSingleflightLayer`](crate::HttpSingleflightLayer).
///
/// Sealed: [`Heads`] and [`Contents`] are all there are. Name it to be generic over both.
pub trait HttpContent: Sealed {
    /// The service that the layer makes of the one that looks at heads.
    type Service<S>;
}

impl HttpContent for Heads {
    type Service<S> = S;
}

impl HttpContent for Contents {
    type Service<S> = ContentSingleflight<S>;
}

/// What the layer asks; nobody outside can name it, which seals [`HttpContent`].
pub trait Sealed {
    fn wrap<S>(&self, service: S) -> <Self as HttpContent>::Service<S>
    where
        Self: HttpContent;

    /// In bytes; `None`: content does not count.
    fn max(&self) -> Option<usize>;
}

impl Sealed for Heads {
    fn wrap<S>(&self, service: S) -> S {
        service
    }

    fn max(&self) -> Option<usize> {
        None
    }
}

impl Sealed for Contents {
    fn wrap<S>(&self, service: S) -> ContentSingleflight<S> {
        ContentSingleflight::new(service, self.max)
    }

    fn max(&self) -> Option<usize> {
        Some(self.max)
    }
}
