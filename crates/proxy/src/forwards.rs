//! `OPTIONS` and `TRACE`, which may be meant for a proxy on the way (RFC 9110, section 7.6.2).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Body;

use crate::failure::Failure;

/// Parts of the names of fields that may hold secrets: `TRACE` must not show these to a script (RFC 9110, section
/// 9.3.8).
const SECRET: [&str; 9] = ["auth", "cookie", "token", "key", "secret", "session", "password", "credential", "jwt"];

/// Counts one hop; returns the answer if this proxy is the last one. `TRACE` loses its credentials in either case.
pub(crate) fn count<B: Body>(request: &mut Request<B>) -> Result<Option<Response<Full<Bytes>>>, Failure> {
    let traces = request.method() == Method::TRACE;
    if !traces && request.method() != Method::OPTIONS {
        return Ok(None);
    }
    if traces {
        if !request.body().is_end_stream() {
            return Err(Failure(StatusCode::BAD_REQUEST, "TRACE with content"));
        }
        forget_secrets(request.headers_mut());
    }
    let mut lines = request.headers().get_all(header::MAX_FORWARDS).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let digits = line.as_bytes();
    if lines.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Failure(StatusCode::BAD_REQUEST, "a bad Max-Forwards"));
    }
    // A number too large for `u64` counts as the largest.
    let forwards = line.to_str().ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
    if forwards > 0 {
        request.headers_mut().insert(header::MAX_FORWARDS, (forwards - 1).into());
        return Ok(None);
    }
    Ok(Some(if traces { reflect(request) } else { options() }))
}

fn forget_secrets(headers: &mut HeaderMap) {
    let is_secret = |name: &&HeaderName| SECRET.iter().any(|part| name.as_str().contains(part));
    let secrets: Vec<_> = headers.keys().filter(is_secret).cloned().collect();
    for name in secrets {
        headers.remove(name);
    }
}

fn options() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// The request as it has come here (RFC 9110, section 9.3.8).
fn reflect<B>(request: &Request<B>) -> Response<Full<Bytes>> {
    let mut text = format!("TRACE {} {:?}\r\n", request.uri(), request.version()).into_bytes();
    for (name, value) in request.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend(b"\r\n");
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("message/http"));
    response
}
