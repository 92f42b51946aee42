//! A connection to the upstream, and what is known of it when a request on it fails.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use http::Extensions;
use hyper_util::{
    client::legacy::{
        self,
        connect::{CaptureConnection, Connected, Connection},
    },
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    opened: Instant,
    /// Whether a request has been answered on it.
    used: AtomicBool,
    /// Whether bytes have come since the last ones were sent.
    heard: AtomicBool,
    /// When the connection becomes unfit for further requests; `None`: the upstream has announced no time.
    kept: Mutex<Option<Instant>>,
}

impl Link {
    /// Returns the link of the connection that a request was sent on; `None` if it got no connection.
    pub(crate) fn of(connection: &CaptureConnection) -> Option<Arc<Self>> {
        let mut extensions = Extensions::new();
        connection.connection_metadata().as_ref()?.get_extras(&mut extensions);
        extensions.remove()
    }

    /// Called when a request has been answered on the connection.
    pub(crate) fn answered(&self) {
        self.used.store(true, Relaxed);
    }

    /// Returns whether a request asked at `asked` failed because its connection had been kept too long: the connection
    /// is older than the request, or another one was answered on it first, and the upstream said nothing on it.
    pub(crate) fn was_stale(&self, asked: Instant, error: &legacy::Error) -> bool {
        // A request may wait for its connection while that one is made, and answers another.
        if self.opened >= asked && !self.used.load(Relaxed) {
            return false;
        }
        let h2 = std::iter::successors(error.source(), |error| (*error).source())
            .find_map(|error| error.downcast_ref::<h2::Error>());
        match h2 {
            // Many requests share the connection, so its bytes tell nothing. The upstream has not worked on a refused
            // stream (RFC 9113, section 8.7); any other reset is an answer.
            Some(error) if error.is_reset() => error.reason() == Some(h2::Reason::REFUSED_STREAM),
            Some(error) => error.is_io() || error.is_go_away(),
            None => !self.heard.load(Relaxed),
        }
    }

    /// Makes the connection unfit for further requests at `until`; a later call may postpone that.
    pub(crate) fn keep_until(self: Arc<Self>, until: Instant, connection: CaptureConnection) {
        if self.kept.lock().unwrap_or_else(PoisonError::into_inner).replace(until).is_some() {
            return;
        }
        tokio::spawn(async move {
            loop {
                let kept = *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(until) = kept.filter(|until| Instant::now() < *until) else { break };
                sleep_until(until).await;
            }
            unfit(&connection);
        });
    }
}

/// Makes a connection unfit for further requests.
pub(crate) fn unfit(connection: &CaptureConnection) {
    if let Some(connected) = connection.connection_metadata().as_ref() {
        connected.poison();
    }
}

/// A connection that keeps its [`Link`] up to date, and lets hyper read an answer that came too early.
///
/// An upstream may answer before it has read the whole request, and close. Further writes then fail while the answer
/// lies in the socket, and hyper would report only the failure. So no write fails until everything has been read.
///
/// An overloaded upstream may even answer as soon as somebody connects. hyper refuses an answer to a request that it
/// has not sent, so this one is read only after the request has been sent.
#[derive(Debug)]
pub(crate) struct Linked {
    stream: TcpStream,
    link: Arc<Link>,
    /// The upstream's end, or an error, has been read.
    is_read: bool,
    /// Something has been sent.
    has_asked: bool,
    /// Woken once something has been sent; it waits to read what came before.
    reader: Option<Waker>,
}

impl Linked {
    pub(crate) fn new(io: TokioIo<TcpStream>) -> TokioIo<Self> {
        let (used, heard) = (AtomicBool::new(false), AtomicBool::new(false));
        TokioIo::new(Self {
            stream: io.into_inner(),
            link: Arc::new(Link { opened: Instant::now(), used, heard, kept: Mutex::new(None) }),
            is_read: false,
            has_asked: false,
            reader: None,
        })
    }

    /// Returns what to say of a write of `length` bytes. What the upstream no longer takes is thrown away as if
    /// written.
    fn wrote(&mut self, written: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        self.has_asked |= written.is_ready();
        if let Some(reader) = self.reader.take_if(|_| self.has_asked) {
            reader.wake();
        }
        match written {
            Poll::Ready(Err(error))
                if !self.is_read && matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) =>
            {
                Poll::Ready(Ok(length))
            }
            written => written,
        }
    }
}

impl Connection for Linked {
    fn connected(&self) -> Connected {
        Connected::new().extra(Arc::clone(&self.link))
    }
}

impl AsyncRead for Linked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The end of the connection may be read at any time.
        if !self.has_asked
            && ready!(self.stream.poll_peek(cx, &mut ReadBuf::new(&mut [0]))).is_ok_and(|count| count > 0)
        {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => self.link.heard.store(true, Relaxed),
            Poll::Ready(_) => self.is_read = true,
            Poll::Pending => {}
        }
        read
    }
}

impl AsyncWrite for Linked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.link.heard.store(false, Relaxed);
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written, bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.link.heard.store(false, Relaxed);
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{io::Write, net::TcpListener};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    // Other systems throw away what has come when the connection is reset.
    #[tokio::test]
    async fn what_an_upstream_has_said_is_read_though_it_takes_nothing_any_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut linked = Linked::new(TokioIo::new(stream)).into_inner();
        let (mut upstream, _) = listener.accept().unwrap();
        linked.write_all(b"the request begins").await.unwrap();
        upstream.peek(&mut [0]).unwrap();
        upstream.write_all(b"the answer").unwrap();
        // Closing with something unread resets the connection.
        drop(upstream);
        while linked.stream.take_error().unwrap().is_none() {
            tokio::task::yield_now().await;
        }

        for _ in 0..3 {
            linked.write_all(b"the request goes on").await.unwrap();
        }
        let mut answer = Vec::new();
        let _ = linked.read_to_end(&mut answer).await;
        assert_eq!(answer, b"the answer");
        assert!(linked.write_all(b"the request goes on").await.is_err(), "nothing can come any more");
    }

    #[tokio::test]
    async fn what_an_upstream_says_unasked_is_read_once_it_has_been_asked_and_its_end_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = async || {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (Linked::new(TokioIo::new(stream)).into_inner(), listener.accept().unwrap().0)
        };
        let (mut linked, mut upstream) = connect().await;
        upstream.write_all(b"busy").unwrap();
        linked.stream.readable().await.unwrap();
        let mut answer = [0; 4];
        let reads = |cx: &mut Context<'_>| {
            Poll::Ready(Pin::new(&mut linked).poll_read(cx, &mut ReadBuf::new(&mut answer)).is_ready())
        };
        assert!(!std::future::poll_fn(reads).await);
        linked.write_all(b"the request").await.unwrap();
        linked.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"busy");

        let (mut linked, upstream) = connect().await;
        drop(upstream);
        assert_eq!(linked.read(&mut answer).await.unwrap(), 0);
    }
}
