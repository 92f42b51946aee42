//! The trailers of gRPC-Web, which are a frame of the body.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::policy::GRPC_STATUS;

/// How a frame of trailers begins in gRPC-Web-text, which is base64: no frame of the other kinds begins so.
const IN_TEXT: u8 = b'g';

/// How many bytes stand before what is in a frame.
const PREFIX: usize = 5;

/// What a frame of trailers says.
#[derive(Debug)]
pub(super) enum Trailers {
    /// Its fields, as far as they are in order; if there are more than a map takes, the first of them.
    Read(HeaderMap),
    /// The frame is not whole, or compressed: nobody knows what it says.
    Unread,
}

/// A frame at the beginning of some bytes.
struct Frame<'a> {
    flags: u8,
    /// All that is there behind the prefix, which may be more than the frame, or less.
    rest: &'a [u8],
    length: usize,
}

impl<'a> Frame<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX>()?;
        let [flags, length @ ..] = *prefix;
        Some(Self { flags, rest, length: usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX) })
    }

    fn is_cut(&self) -> bool {
        self.rest.len() < self.length
    }

    fn trailers(&self) -> Trailers {
        if self.flags & 0x7f != 0 || self.is_cut() {
            return Trailers::Unread;
        }
        let fields = self.rest.split(|byte| *byte == b'\n').filter_map(|line| {
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
        Trailers::Read(trailers)
    }
}

/// Returns the status in a frame of trailers, which comes in place of a message; a frame of gRPC never looks so.
pub(super) fn status(frame: &[u8]) -> Option<HeaderValue> {
    match trailers(frame)? {
        Trailers::Read(mut trailers) => trailers.remove(&GRPC_STATUS),
        Trailers::Unread => None,
    }
}

/// Returns what a frame of trailers says; `None` for a frame of another kind.
pub(super) fn trailers(bytes: &[u8]) -> Option<Trailers> {
    if !begins_trailers(bytes) {
        return None;
    }
    Some(Frame::of(&decoded(bytes)).map_or(Trailers::Unread, |frame| frame.trailers()))
}

/// Returns whether this is the beginning of a frame of trailers, and not all of it.
pub(super) fn are_cut(bytes: &[u8]) -> bool {
    begins_trailers(bytes) && Frame::of(&decoded(bytes)).is_none_or(|frame| frame.is_cut())
}

/// Returns whether this is the head of an answer of gRPC-Web.
#[cfg(feature = "fleet")]
pub(super) fn is_type_of(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| {
        let web = b"application/grpc-web";
        kind.as_bytes().get(..web.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(web))
    })
}

/// Returns what the frame of trailers says that comes behind the messages of a whole answer, if there is one.
#[cfg(feature = "fleet")]
pub(super) fn behind_messages(content: &[u8]) -> Option<Trailers> {
    let content = decoded(content);
    let mut rest = &content[..];
    while let Some(frame) = Frame::of(rest) {
        if is_of_trailers(frame.flags) {
            return Some(frame.trailers());
        }
        rest = frame.rest.get(frame.length..)?;
    }
    None
}

fn begins_trailers(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first == IN_TEXT || is_of_trailers(*first))
}

const fn is_of_trailers(flags: u8) -> bool {
    flags & 0x80 != 0
}

/// Decodes base64, as far as it goes; other bytes are returned as they are, since no frame begins as base64 does.
/// Base64 may be padded anywhere.
fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.first().is_some_and(|first| first.is_ascii_alphanumeric() || b"+/".contains(first)) {
        return bytes.into();
    }
    let (mut decoded, mut piece) = (Vec::with_capacity(bytes.len() / 4 * 3), [0; 3]);
    for text in bytes.chunks_exact(4) {
        let Ok(length) = BASE64_STANDARD.decode_slice(text, &mut piece) else { break };
        decoded.extend_from_slice(&piece[..length]);
    }
    decoded.into()
}

#[cfg(test)]
mod tests {
    use super::{are_cut, status};

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
            // The prefix and the lines by themselves.
            (b"gAAAABA=Z3JwYy1zdGF0dXM6IDQNCg==", Some(b"4")),
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
    fn a_frame_of_trailers_is_cut_until_all_of_it_is_there() {
        for whole in [
            &b"\x80\0\0\0\x10grpc-status: 4\r\n"[..],
            b"gAAAABBncnBjLXN0YXR1czogNA0K",
            b"gAAAAA9ncnBjLXN0YXR1czo0DQo=",
            b"gAAAABA=Z3JwYy1zdGF0dXM6IDQNCg==",
        ] {
            for end in 1..whole.len() {
                assert!(are_cut(&whole[..end]), "{:?}", &whole[..end]);
                assert_eq!(status(&whole[..end]), None);
            }
            assert!(!are_cut(whole));
        }
        for other in [&b""[..], b"\0", b"\0\0\0\0\x0e", b"AAAA", b"rows"] {
            assert!(!are_cut(other), "{other:?}");
        }
    }

    #[test]
    fn a_frame_with_more_fields_than_a_map_takes_is_read_as_far_as_that() {
        let lines: String = (0..40_000).map(|line| format!("x-{line}: y\r\n")).collect();
        let frame = [b"\x80\0\0\0\0grpc-status: 5\r\n", lines.as_bytes()].concat();
        assert_eq!(status(&frame).unwrap(), "5");
    }

    #[cfg(feature = "fleet")]
    #[test]
    fn trailers_are_found_behind_messages_in_either_form() {
        use super::{Trailers, behind_messages};

        for content in [
            &b"\0\0\0\0\x02ab\x80\0\0\0\x06x: 1\r\n"[..],
            b"\0\0\0\0\x02ab\x01\0\0\0\0\x80\0\0\0\x06x: 1\r\n",
            // In base64: one text, a text for each frame, and for each piece of them.
            b"AAAAAAJhYoAAAAAGeDogMQ0K",
            b"AAAAAAJhYg==gAAAAAZ4OiAxDQo=",
            b"AAAAAAI=YWI=gAAAAAY=eDogMQ0K",
        ] {
            let Some(Trailers::Read(trailers)) = behind_messages(content) else { panic!("{content:?}") };
            assert_eq!(trailers["x"], "1");
        }
        assert!(matches!(behind_messages(b"\0\0\0\0\0\x81\0\0\0\x06x: 1\r\n"), Some(Trailers::Unread)));
        assert!(matches!(behind_messages(b"\0\0\0\0\0\x80\0\0\0\x07x: 1\r\n"), Some(Trailers::Unread)));
        for content in [&b""[..], b"\0\0\0\0\x02ab", b"\0\0\0\0\x02a", b"\0\0", b"AAAAAAJhYg=="] {
            assert!(behind_messages(content).is_none(), "{content:?}");
        }
    }
}
