//! For whom a request is, and where it goes.

use http::{
    HeaderValue, Request, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

/// Returns the host that a request is for; the error says why there is none that all would agree on.
pub(crate) fn host<B>(request: &Request<B>) -> Result<Option<HeaderValue>, &'static str> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let line = lines.next();
    // RFC 9112, section 3.2: no Host, or two, is an error, which the next server may see another way.
    if lines.next().is_some() {
        return Err("more than one Host");
    }
    if line.is_none() && request.version() == Version::HTTP_11 {
        return Err("no Host");
    }
    let valid = |line: &HeaderValue| {
        line.is_empty() || (Authority::try_from(line.as_bytes()).is_ok() && !line.as_bytes().contains(&b'@'))
    };
    if !line.is_none_or(valid) {
        return Err("a bad Host");
    }
    // RFC 9112, section 3.2.2, and RFC 9113, section 8.3.1: the target's authority stands, without user information.
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let authority = authority.map(|authority| authority.rsplit_once('@').map_or(authority, |(_, host)| host));
    Ok(authority.and_then(|authority| HeaderValue::from_str(authority).ok()).or_else(|| line.cloned()))
}

/// Aims a request at the upstream: its scheme and authority, with the path and the query untouched.
pub(crate) fn aim<B>(request: &mut Request<B>, upstream: &Authority) {
    let mut parts = request.uri().clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.clone());
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}
