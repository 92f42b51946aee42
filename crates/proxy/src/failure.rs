//! Why there is no answer from upstream, in one line.

use std::{error::Error, io};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy;

/// The status, and the reason that the body gives.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) StatusCode, pub(crate) &'static str);

impl Failure {
    /// Returns the answer to a request of this method.
    pub(crate) fn into_response(self, method: &Method) -> Response<Full<Bytes>> {
        let Self(status, why) = self;
        // RFC 9110, section 9.3.2. Over HTTP/1, hyper would send no content of its own accord; over HTTP/2 it would.
        let content = if method == Method::HEAD { String::new() } else { format!("{status}: {why}\n") };
        let mut response = Response::new(Full::from(content));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        let mut sources = std::iter::successors(error.source(), |error| (*error).source());
        let io = sources.find_map(|error| error.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) if error.is_connect() => {
                Self(StatusCode::GATEWAY_TIMEOUT, "the upstream does not take connections in time")
            }
            _ if error.is_connect() => Self(StatusCode::BAD_GATEWAY, "the upstream cannot be reached"),
            _ => Self(StatusCode::BAD_GATEWAY, "the upstream broke off"),
        }
    }
}
