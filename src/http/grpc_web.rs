//! The trailers of gRPC-Web, which are a frame of the body.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::policy::GRPC_STATUS;

/// How a frame of trailers begins in gRPC-Web-text, which is base64: no frame of the other kinds begins so.
const IN_TEXT: u8 = b'g';

/// Returns the status in a frame of trailers, which comes in place of a message; a frame of gRPC never looks so.
pub(super) fn status(frame: &[u8]) -> Option<HeaderValue> {
    trailers(frame)?.remove(&GRPC_STATUS)
}

/// Returns the fields in such a frame, as far as they are fields; of more than a map takes, the first.
pub(super) fn trailers(frame: &[u8]) -> Option<HeaderMap> {
    let frame = if frame.first() == Some(&IN_TEXT) { Cow::from(decoded(frame)) } else { Cow::from(frame) };
    let (prefix, lines) = frame.split_at_checked(5)?;
    if prefix[0] & 0x80 == 0 {
        return None;
    }
    let fields = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let name = HeaderName::from_bytes(name.trim_ascii()).ok()?;
        Some((name, HeaderValue::from_bytes(value[1..].trim_ascii()).ok()?))
    });
    let mut trailers = HeaderMap::new();
    for (name, value) in fields {
        // A service may send any number of lines: that must not panic in those who read them.
        if trailers.try_append(name, value).is_err() {
            break;
        }
    }
    Some(trailers)
}

/// Returns what base64 stands for, up to its padding, or as far as it goes.
fn decoded(text: &[u8]) -> Vec<u8> {
    let padding = text.iter().position(|byte| *byte == b'=');
    let end = padding.unwrap_or(text.len() - text.len() % 4);
    BASE64_STANDARD_NO_PAD.decode(&text[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn the_status_is_found_in_either_form_and_nowhere_else() {
        for (frame, expected) in [
            (&b"\x80\0\0\0\x10grpc-status: 4\r\n"[..], Some(&b"4"[..])),
            (b"\x80\0\0\0\x0fgrpc-status:16\r\n", Some(b"16")),
            (b"\x80\0\0\0\x22Grpc-Message: no\r\nGRPC-STATUS: 4\r\n", Some(b"4")),
            // The same, with padding, without, and with more behind it.
            (b"gAAAABBncnBjLXN0YXR1czogNA0K", Some(b"4")),
            (b"gAAAAA9ncnBjLXN0YXR1czo0DQo=", Some(b"4")),
            (b"gAAAAA9ncnBjLXN0YXR1czo0DQo=AAAA", Some(b"4")),
            (b"gAAAABBncnBjLXN0YXR1czogNA0KAA", Some(b"4")),
            // A message, and what is none of all these.
            (b"\0\0\0\0\x0egrpc-status:4\r\n", None),
            (b"AAAAAA5ncnBjLXN0YXR1czo0DQo=", None),
            (b"g!", None),
            (b"gA", None),
            (b"\x80\0", None),
            (b"", None),
        ] {
            assert_eq!(status(frame).as_ref().map(|status| status.as_bytes()), expected, "{frame:?}");
        }
    }

    #[test]
    fn a_frame_with_more_fields_than_a_map_takes_is_read_as_far_as_that() {
        let lines: String = (0..40_000).map(|line| format!("x-{line}: y\r\n")).collect();
        let frame = [b"\x80\0\0\0\0grpc-status: 5\r\n", lines.as_bytes()].concat();
        assert_eq!(status(&frame).unwrap(), "5");
    }
}
