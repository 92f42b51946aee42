//! What an HTTP/1 connection's requests and answers say to its socket.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use http::{Request, Response, StatusCode, Version};
use hyper::body::Body;
use tokio_util::sync::CancellationToken;

/// No request has been seen since this was last looked at.
const UNTOLD: u64 = u64::MAX;
/// The content comes in chunks.
const CHUNKED: u64 = u64::MAX - 1;

/// Shared by a socket and those who answer what comes over it.
#[derive(Debug)]
pub(crate) struct Wire {
    content: AtomicU64,
    /// Whether the last request was HTTP/1.0.
    old: AtomicBool,
    upgraded: AtomicBool,
    /// Whether the head of a request has come in part.
    begun: AtomicBool,
    /// When the proxy stops.
    pub(crate) stop: CancellationToken,
    /// Whether what has arrived is read at once.
    at_once: AtomicBool,
    /// Whether an answer is under way whose end nothing but the end of the connection tells.
    fragile: AtomicBool,
}

/// How the content of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Length(u64),
    Chunked,
}

impl Wire {
    /// Returns that of a connection that ends with what is under way after this stop.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            content: AtomicU64::new(UNTOLD),
            old: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            stop,
            at_once: AtomicBool::new(false),
            fragile: AtomicBool::new(false),
        }
    }

    /// Told of each request before more of the connection is read.
    pub(crate) fn asked<B: Body>(&self, request: &Request<B>) {
        self.old.store(request.version() == Version::HTTP_10, Relaxed);
        let content = if request.body().is_end_stream() { Some(0) } else { request.body().size_hint().exact() };
        self.content.store(content.unwrap_or(CHUNKED), Release);
    }

    /// Returns the content of the request that has been told of, once.
    pub(crate) fn content(&self) -> Option<Content> {
        match self.content.swap(UNTOLD, Acquire) {
            UNTOLD => None,
            CHUNKED => Some(Content::Chunked),
            length => Some(Content::Length(length)),
        }
    }

    pub(crate) fn answered<B: Body>(&self, response: &Response<B>) {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.upgraded.store(true, Release);
        }
        let endless = !response.body().is_end_stream() && response.body().size_hint().exact().is_none();
        self.fragile.store(endless && self.old.load(Relaxed), Release);
    }

    /// The answer has ended as it should.
    pub(crate) fn ended(&self) {
        self.fragile.store(false, Release);
    }

    /// Told with each read whether it has left a head half read.
    pub(crate) fn read(&self, begun: bool) {
        self.begun.store(begun, Release);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Acquire)
    }

    /// From now on, each read takes all that has arrived, known to the runtime or not.
    pub(crate) fn read_at_once(&self) {
        self.at_once.store(true, Release);
    }

    pub(crate) fn reads_at_once(&self) -> bool {
        self.at_once.load(Acquire)
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Acquire)
    }

    pub(crate) fn is_fragile(&self) -> bool {
        self.fragile.load(Acquire)
    }
}
