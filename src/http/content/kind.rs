//! Whether a layer's requests share by their heads alone, or by their content too.

use super::service::ContentSingleflight;

/// Requests share flights by their heads alone; those with content go alone.
#[derive(Clone, Copy, Debug)]
pub struct Heads;

/// Requests share flights by head and content, up to a size.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// In bytes.
    max: usize,
}

/// How much of a gRPC message is read for the key, in bytes, if [`content_key`](crate::HttpSingleflightLayer::content_key)
/// says nothing.
pub(in crate::http) const GRPC_CONTENT: usize = 64 << 10;

impl Contents {
    pub(in crate::http) const fn new(max: usize) -> Self {
        Self { max }
    }
}

/// Says whether the content of requests is a part of their keys: the type parameter of
/// [`HttpSingleflightLayer`](crate::HttpSingleflightLayer).
///
/// It is sealed, and has two implementations: [`Heads`], and [`Contents`] after
/// [`content_key`](crate::HttpSingleflightLayer::content_key) or [`grpc`](crate::HttpSingleflightLayer::grpc). Name it
/// only to write a function that takes a layer of either kind.
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
