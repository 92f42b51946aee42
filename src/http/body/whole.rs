//! A body that came as a whole, from another process.

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;

use super::{
    origin::{Hints, Origin, Pinned, Read},
    part::Part,
    source::BodySource,
};

impl<B> BodySource<B> {
    /// Returns the first claim to a body of this content, with these trailers.
    pub(in crate::http) fn whole(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        let length = data.len() as u64;
        let mut read = VecDeque::with_capacity(2);
        if length > 0 {
            let before = Hints { size: SizeHint::with_exact(length), is_end_stream: false };
            read.push_back(Read { before, outcome: Some(Ok(Part::Data(data))) });
        }
        if let Some(trailers) = trailers {
            let before = Hints { size: SizeHint::with_exact(0), is_end_stream: false };
            read.push_back(Read { before, outcome: Some(Ok(Part::Trailers(trailers.into()))) });
        }
        Self::from_origin(Origin::Pinned { body: Pinned::whole(read) })
    }
}
