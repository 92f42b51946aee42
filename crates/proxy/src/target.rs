//! Which host a request is for, and where the proxy sends it.

use http::{
    HeaderValue, Method, Request, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

/// Returns the host that a request is for; the error says why servers might not agree on one.
pub(crate) fn host<B>(request: &Request<B>) -> Result<Option<HeaderValue>, &'static str> {
    let mut lines = request.headers().get_all(header::HOST).iter();
    let line = lines.next();
    // RFC 9112, section 3.2: no Host, or two, is an error; the next server may understand it in another way.
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

/// Aims a request at the upstream: its scheme and authority, with the path and query as they came. Where there is no
/// path, it gets the one that has to be sent. The error says why this method cannot have the target.
pub(crate) fn aim<B>(request: &mut Request<B>, upstream: &Authority) -> Result<(), &'static str> {
    let scheme = request.uri().scheme();
    // RFC 9110, section 4.2: the answer would stand for a resource of HTTP, though another scheme was asked for.
    if scheme.is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Err("a scheme that is not HTTP's");
    }
    let options = request.method() == Method::OPTIONS;
    let pathless = request.version() != Version::HTTP_2 && has_no_path(request.uri());
    let mut parts = request.uri().clone().into_parts();
    let path = match parts.path_and_query {
        // RFC 9112, section 3.2.3.
        None => return Err("only CONNECT may ask for an authority alone"),
        // RFC 9112, section 3.2.4.
        Some(path) if path == "*" && !options => return Err("only OPTIONS may ask for *"),
        Some(_) if options && pathless => PathAndQuery::from_static("*"),
        // RFC 9112, section 3.2.1.
        Some(path) if path.as_str().starts_with('?') => path.to_string().parse().unwrap_or(path),
        Some(path) => path,
    };
    parts.path_and_query = Some(path);
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.clone());
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    Ok(())
}

/// Returns whether a target of HTTP/1 has neither path nor query, such as `http://a`.
///
/// `Uri` gives such a target the path `/`, and hyper hands the target on in no other form. But that `/` is a constant:
/// unlike a path that came, it does not follow the authority in memory. If `http` kept its parts in another way, the
/// worst would be `*` for an `OPTIONS` of `/`, or the other way round.
fn has_no_path(target: &Uri) -> bool {
    let parts = target.authority().zip(target.path_and_query());
    parts.is_some_and(|(authority, path)| {
        path == "/" && authority.as_str().as_bytes().as_ptr_range().end != path.as_str().as_ptr()
    })
}

/// Returns a target of HTTP/1 as text, without a path if it has none.
pub(crate) fn text(target: &Uri) -> String {
    let mut text = target.to_string();
    if has_no_path(target) {
        text.pop();
    }
    text
}
