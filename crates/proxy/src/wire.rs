//! What the requests and answers of an HTTP/1 connection tell its socket.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use http::{Request, Response, StatusCode, Version};
use hyper::body::Body;
use tokio_util::sync::CancellationToken;

/// [`Wire::content`] has been taken, and no request has come since.
const UNTOLD: u64 = u64::MAX;
/// The content comes in chunks.
const CHUNKED: u64 = u64::MAX - 1;

/// Shared by a socket and the services that answer what comes over it.
#[derive(Debug)]
pub(crate) struct Wire {
    content: AtomicU64,
    /// Whether the last request was HTTP/1.0.
    old: AtomicBool,
    upgraded: AtomicBool,
    /// Whether the head of a request has come in part.
    begun: AtomicBool,
    /// Cancelled when the proxy stops.
    pub(crate) stop: CancellationToken,
    /// Whether each read takes all that has arrived, known to the runtime or not.
    at_once: AtomicBool,
    /// Whether an answer is under way whose end only the end of the connection tells.
    fragile: AtomicBool,
    /// Whether an answer's content has failed, and what came before that is still to be sent.
    failing: AtomicBool,
}

/// How the content of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Length(u64),
    Chunked,
}

impl Wire {
    /// Returns the wire of a connection that, after this stop, ends with what is under way.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            content: AtomicU64::new(UNTOLD),
            old: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            stop,
            at_once: AtomicBool::new(false),
            fragile: AtomicBool::new(false),
            failing: AtomicBool::new(false),
        }
    }

    /// Called with each request before more of the connection is read.
    pub(crate) fn asked<B: Body>(&self, request: &Request<B>) {
        self.old.store(request.version() == Version::HTTP_10, Relaxed);
        let content = if request.body().is_end_stream() { Some(0) } else { request.body().size_hint().exact() };
        self.content.store(content.unwrap_or(CHUNKED), Release);
    }

    /// Returns the content of the last request, once.
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

    /// Called when the answer has ended as it should.
    pub(crate) fn ended(&self) {
        self.fragile.store(false, Release);
    }

    /// Called when the answer's content has failed.
    pub(crate) fn fails(&self) {
        self.failing.store(true, Release);
    }

    /// Called when all that the answer had has been sent; returns whether it has failed since the last call.
    pub(crate) fn sent(&self) -> bool {
        self.failing.load(Acquire) && self.failing.swap(false, Acquire)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Acquire)
    }

    /// Called after each read, with whether it has left a head half read.
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
