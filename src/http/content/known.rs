//! What is known of a request's content.

use bytes::Bytes;
use http_body::Body;

use crate::http::policy;

/// What is known of a request's content.
pub(in crate::http) enum RequestContent {
    Empty,
    /// All of it.
    Read(Bytes),
    Unknown,
    /// Its digest takes its place, once it has passed.
    #[cfg(feature = "dry-run")]
    Digested,
}

impl RequestContent {
    /// Returns the content, if it was read.
    pub(in crate::http) fn read(&self) -> Option<&[u8]> {
        match self {
            Self::Read(content) => Some(content),
            _ => None,
        }
    }

    /// Returns how much is known.
    pub(in crate::http) const fn known(&self) -> policy::Content {
        match self {
            Self::Empty => policy::Content::Empty,
            Self::Read(content) => policy::Content::Keyed(Some(content.len())),
            #[cfg(feature = "dry-run")]
            Self::Digested => policy::Content::Keyed(None),
            Self::Unknown => policy::Content::Unknown,
        }
    }

    /// Returns what is known of content that is there as a whole; `is_read` says whether content is read.
    pub(in crate::http) fn told(content: &Bytes, is_read: bool) -> Self {
        match (content.is_empty(), is_read) {
            (true, _) => Self::Empty,
            (false, true) => Self::Read(content.clone()),
            (false, false) => Self::Unknown,
        }
    }

    /// Returns what is known without reading. A body of no bytes may still carry trailers.
    pub(in crate::http) fn of(body: &impl Body) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Unknown }
    }
}
