//! What a frame carries.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

/// A frame that can be cloned, by reference.
#[derive(Clone)]
pub(super) enum BodyPart {
    Data(Bytes),
    Trailers(Arc<HeaderMap>),
}

impl BodyPart {
    /// Returns `None` for a frame of an unknown kind.
    pub(super) fn new(frame: Frame<Bytes>) -> Option<Self> {
        match frame.into_data() {
            Ok(data) => Some(Self::Data(data)),
            Err(frame) => frame.into_trailers().ok().map(|trailers| Self::Trailers(Arc::new(trailers))),
        }
    }

    pub(super) fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(Arc::unwrap_or_clone(trailers)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Data(data) => data.len(),
            Self::Trailers(_) => 0,
        }
    }
}
