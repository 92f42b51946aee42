//! A client's socket: it fails when the client reads nothing for too long, and is reset when a cut would look whole.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};

use crate::{lines::Lines, wire::Wire};

/// Returns how long a connection may be silent before the system probes whether the other side is still there: as long
/// as anything else may stand still, but at least the second that systems count in.
pub(crate) fn probe_after(idle: Duration) -> Duration {
    idle.max(Duration::from_secs(1))
}

/// A client's socket; small, since each client that waits has one.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    idle: Duration,
    /// Runs while the client takes nothing, and while what it sends is thrown away at the end.
    timer: Option<Pin<Box<Sleep>>>,
    wire: Arc<Wire>,
    lines: Lines,
    /// Whether closing would reset the connection.
    resets: bool,
    /// Whether the system probes now and then whether the client is still there.
    probed: bool,
    /// The client's place, which is free again once the file is closed.
    _place: OwnedSemaphorePermit,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, idle: Duration, wire: Arc<Wire>, place: OwnedSemaphorePermit) -> Self {
        Self { stream, idle, timer: None, wire, lines: Lines::default(), resets: false, probed: false, _place: place }
    }

    /// Lets the connection be reset when this process closes it, in whatever way; or be closed as usual again.
    fn reset_when_closed(&mut self, resets: bool) {
        if self.resets != resets {
            // If this fails, the socket is closed as usual.
            let _ = SockRef::from(&self.stream).set_linger(resets.then_some(Duration::ZERO));
            self.resets = resets;
        }
    }

    /// Has the system find out whether a client that has switched protocols has vanished. Such a client may be silent
    /// for as long as it likes, so no time limit of the proxy finds out.
    fn probe(&mut self) {
        if !self.probed {
            let probes = TcpKeepalive::new().with_time(probe_after(self.idle));
            // If this fails, the socket is not probed.
            let _ = SockRef::from(&self.stream).set_tcp_keepalive(&probes);
            self.probed = true;
        }
    }

    /// Throws away what a client sends that has not sent all when it is answered, or has sent too much, until it has read
    /// the answer and closes (RFC 9112, section 9.6). If the connection were closed with something unread, the system would
    /// throw away what the client has yet to get.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let idle = self.idle;
        let mut lingers = self.timer.is_some() || self.lines.is_in_content() || self.lines.has_rest();
        let mut bytes = [0; 4096];
        loop {
            if lingers {
                // Asked first: a client that never stops would use up what this poll may do.
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
            }
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => lingers = true,
                Poll::Pending if lingers => return Poll::Pending,
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // To HTTP/1.0, an answer of unknown length ends with the connection (RFC 9112, section 6.3).
        if self.wire.is_fragile() {
            self.reset_when_closed(true);
        }
        let written = write(Pin::new(&mut self.stream), cx);
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let idle = self.idle;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(idle)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, wire, lines, .. } = &mut *self;
        if !wire.is_upgraded() {
            return lines.poll_read(stream, wire, cx, buffer);
        }
        if lines.has_rest() {
            lines.take_rest(buffer);
            return Poll::Ready(Ok(()));
        }
        self.probe();
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    /// hyper asks for it once it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.sent() {
            // The same task reads the content that has failed, and waits for this.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Everything that was to be sent has been written.
        if !self.wire.is_fragile() {
            self.reset_when_closed(false);
        }
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if self.wire.is_upgraded() || self.wire.is_fragile() { Poll::Ready(Ok(())) } else { self.poll_linger(cx) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
