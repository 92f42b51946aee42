//! A body that came as a whole, from another process.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;

use super::{
    origin::{Hints, Origin, Pinned, Read},
    part::BodyPart,
    source::BodySource,
};

impl<B> BodySource<B> {
    /// Returns the first claim to a body of this content, with these trailers.
    pub(in crate::http) fn whole(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        let length = data.len() as u64;
        let mut read = VecDeque::with_capacity(2);
        // S18: over HTTP/1.1 a body of known length has no trailers.
        let size = |length| if trailers.is_some() { at_least(length) } else { SizeHint::with_exact(length) };
        if length > 0 {
            let before = Hints { size: size(length), is_end_stream: false };
            read.push_back(Read { before, outcome: Some(Ok(BodyPart::Data(data))) });
        }
        if let Some(trailers) = trailers {
            let before = Hints { size: at_least(0), is_end_stream: false };
            read.push_back(Read { before, outcome: Some(Ok(BodyPart::Trailers(trailers.into()))) });
        }
        Self::from_origin(Origin::Pinned { body: Pinned::whole(read) })
    }
}

fn at_least(length: u64) -> SizeHint {
    let mut size = SizeHint::new();
    size.set_lower(length);
    size
}
