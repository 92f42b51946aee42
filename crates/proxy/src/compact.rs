//! A request that lets go of the buffer it was read into.

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Uri};

use crate::target;

/// A head larger than this is not copied: its copy would take more than the buffer that it saves. In bytes.
const LARGE: usize = 8 << 10;

/// Copies the fields and the target of a request into memory of their own size.
///
/// hyper keeps them as slices of its read buffer, of at least 8 KiB. While they live, hyper needs a second buffer to
/// notice that the client leaves.
pub(crate) fn compact<B>(request: &mut Request<B>) {
    let target = target::text(request.uri());
    let size = request.headers().values().map(HeaderValue::len).sum::<usize>() + target.len();
    if size > LARGE {
        return;
    }
    let mut bytes = BytesMut::with_capacity(size);
    bytes.extend_from_slice(target.as_bytes());
    for value in request.headers().values() {
        bytes.extend_from_slice(value.as_bytes());
    }
    let mut rest: Bytes = bytes.freeze();
    if let Ok(uri) = Uri::from_maybe_shared(rest.split_to(target.len())) {
        *request.uri_mut() = uri;
    }
    for value in request.headers_mut().values_mut() {
        if let Ok(copy) = HeaderValue::from_maybe_shared(rest.split_to(value.len())) {
            *value = copy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderValue, Request, compact, target};

    #[test]
    fn a_request_that_lets_go_of_its_buffer_says_the_same() {
        for target in ["/", "/a?b=c", "*", "http://h:1/a?b", "/?", "http://h", "http://h/", "http://h?a"] {
            let request = Request::get(target).header("host", "h").header("x", "1").header("x", "").header("x", "3");
            let request = request.header("y", HeaderValue::from_bytes(b"\xff").unwrap()).body(()).unwrap();
            let mut copy = request.clone();
            compact(&mut copy);
            assert_eq!((target::text(copy.uri()), copy.headers()), (target.replace("h?", "h/?"), request.headers()));
            let buffers = |request: &Request<()>| request.headers()["host"].as_bytes().as_ptr();
            assert_ne!(buffers(&copy), buffers(&request));
        }
    }
}
