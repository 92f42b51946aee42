//! Refuses lines that end in a bare LF, which hyper would accept.
//!
//! RFC 9112, section 2.2, allows both. But where one server sees two fields, or the end of a head, the next may see one
//! field. hyper has no switch for this, so the bytes of heads and trailers are looked at on their way in: a bare LF
//! becomes a NUL, which hyper refuses there. In the line that says how long a chunk is, hyper refuses a bare LF itself,
//! but no NUL.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

use crate::wire::{Content, Wire};

/// The part of a message that a connection's next byte belongs to.
#[derive(Debug)]
enum Place {
    /// In a head, or in trailers.
    Head { begun: bool, trailers: bool },
    /// Behind a head. How its content is delimited is known once hyper has read the head.
    Behind,
    /// In content of a known length, or in a chunk and the line end behind it.
    Content { left: u64, chunked: bool },
    /// In the line that says how long a chunk is.
    Size { size: u64, extension: bool },
    /// Behind a head that is no request: HTTP/2's preface, or what hyper has refused.
    Raw,
}

/// Reads what has come. With `at_once` it asks the system too: the runtime knows only of what had come when it last
/// asked.
fn poll_read(
    stream: &mut TcpStream,
    at_once: bool,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let read = Pin::new(&mut *stream).poll_read(cx, buffer);
    if read.is_ready() || !at_once {
        return read;
    }
    match (&*SockRef::from(&*stream)).read(buffer.initialize_unfilled()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        read => Poll::Ready(read.map(|count| buffer.advance(count))),
    }
}

/// Follows the lines of a connection's requests.
#[derive(Debug)]
pub(crate) struct Lines {
    place: Place,
    /// Whether the last byte was a CR.
    cr: bool,
    /// Whether the line has no byte so far.
    empty: bool,
    /// What came behind a head; held back until hyper has read the head.
    rest: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        let place = Place::Head { begun: false, trailers: false };
        Self { place, cr: false, empty: true, rest: Vec::new() }
    }
}

impl Lines {
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut TcpStream,
        wire: &Wire,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Place::Behind = self.place {
            self.place = match wire.content() {
                Some(Content::Chunked) => Place::Size { size: 0, extension: false },
                Some(Content::Length(left)) if left > 0 => Place::Content { left, chunked: false },
                Some(Content::Length(_)) => Place::Head { begun: false, trailers: false },
                None => Place::Raw,
            };
        }
        let before = buffer.filled().len();
        if self.has_rest() {
            self.take_rest(buffer);
        } else {
            ready!(poll_read(stream, wire.reads_at_once(), cx, buffer))?;
        }
        let passed = before + self.follow(&mut buffer.filled_mut()[before..]);
        if passed < buffer.filled().len() {
            self.rest.splice(..0, buffer.filled()[passed..].iter().copied());
            buffer.set_filled(passed);
        }
        wire.read(self.is_in_head());
        Poll::Ready(Ok(()))
    }

    /// Returns whether a request's head has come in part.
    fn is_in_head(&self) -> bool {
        matches!(self.place, Place::Head { begun, trailers: false } if begun || !self.empty)
    }

    /// Returns whether the content of a request has come in part.
    pub(crate) fn is_in_content(&self) -> bool {
        matches!(self.place, Place::Content { .. } | Place::Size { .. } | Place::Head { trailers: true, .. })
    }

    pub(crate) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(crate) fn take_rest(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.drain(..count);
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
    }

    /// Follows these bytes, at most to the end of a head; returns how many it has followed.
    fn follow(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self.place {
                Place::Behind => return at,
                Place::Raw => return bytes.len(),
                _ => {}
            }
            if let Place::Content { left, chunked } = &mut self.place {
                let count = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                (at, *left) = (at + count, *left - count as u64);
                if *left == 0 {
                    self.place = match chunked {
                        true => Place::Size { size: 0, extension: false },
                        false => Place::Head { begun: false, trailers: false },
                    };
                }
                continue;
            }
            let line = &mut bytes[at..];
            let end = line.iter().position(|byte| *byte == b'\n');
            let text = &line[..end.unwrap_or(line.len())];
            if let Place::Size { size, extension } = &mut self.place {
                for byte in text {
                    match char::from(*byte).to_digit(16).filter(|_| !*extension) {
                        Some(digit) => *size = size.saturating_mul(16).saturating_add(digit.into()),
                        None => *extension = true,
                    }
                }
            }
            let cr = text.last().map_or(self.cr, |byte| *byte == b'\r');
            self.empty &= text.is_empty() || (text == b"\r" && !self.cr);
            self.cr = cr;
            let Some(end) = end else { return bytes.len() };
            if !cr && !matches!(self.place, Place::Size { .. }) {
                line[end] = 0;
            }
            at += end + 1;
            self.end_line();
        }
        at
    }

    fn end_line(&mut self) {
        self.place = match self.place {
            // Empty lines before a request are skipped (RFC 9112, section 2.2).
            Place::Head { begun: false, .. } if self.empty => Place::Head { begun: false, trailers: false },
            Place::Head { trailers: true, .. } if self.empty => Place::Head { begun: false, trailers: false },
            Place::Head { .. } if self.empty => Place::Behind,
            Place::Head { trailers, .. } => Place::Head { begun: true, trailers },
            Place::Size { size: 0, .. } => Place::Head { begun: true, trailers: true },
            // Two more for the line end.
            Place::Size { size, .. } => Place::Content { left: size.saturating_add(2), chunked: true },
            // No line ends there.
            Place::Behind | Place::Raw => Place::Raw,
            Place::Content { left, chunked } => Place::Content { left, chunked },
        };
        (self.cr, self.empty) = (false, true);
    }
}
