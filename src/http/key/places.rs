//! The places that a request lies in, for the fences of those who write there (S21).

use http::{Uri, request};

use super::{
    original::original_uri,
    target::{authority_of, host},
};
use crate::http::fence::{EpochNumber, FencedPlace, Fences};

/// Where a request was sent: what it asks for, and what it asked for before a router stripped it.
pub(in crate::http) struct Places<'a> {
    pub(in crate::http) uri: &'a Uri,
    /// `Some` if it is another one.
    pub(in crate::http) original: Option<&'a Uri>,
}

impl<'a> Places<'a> {
    pub(in crate::http) fn of(parts: &'a request::Parts) -> Self {
        let original = original_uri(parts).filter(|original| **original != parts.uri);
        Self { uri: &parts.uri, original }
    }
}

/// Returns the path of a gRPC service, given that of one of its methods.
pub(in crate::http) fn service_of(path: &str) -> &str {
    path.rfind('/').map_or(path, |end| &path[..=end])
}

/// Returns the number of the first of the places that a request lies in, and the sum of the epochs of all (S21), if any
/// of them was ever fenced.
#[inline]
pub(in crate::http) fn fenced(fences: &Fences, parts: &request::Parts, is_grpc: bool) -> Option<(EpochNumber, u64)> {
    if fences.are_raised() { number_and_sum(fences, parts, is_grpc) } else { None }
}

fn number_and_sum(fences: &Fences, parts: &request::Parts, is_grpc: bool) -> Option<(EpochNumber, u64)> {
    let host = host(&parts.headers).flatten();
    let Places { uri, original } = Places::of(parts);
    let epochs = [Some(uri), original].into_iter().flatten().map(|uri| {
        let authority = authority_of(uri, host);
        let service = if is_grpc { fences.epoch(FencedPlace::Service(authority, service_of(uri.path()))) } else { 0 };
        fences.epoch(FencedPlace::Path(authority, uri.path()))
            + fences.epoch(FencedPlace::AnyPath(uri.path()))
            + service
    });
    let sum = epochs.sum();
    (sum > 0).then(|| (fences.number(FencedPlace::Path(authority_of(uri, host), uri.path())), sum))
}
