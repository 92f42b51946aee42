//! A connection to the upstream, and what is to be known of it when a request on it fails.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
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
    /// Whether bytes have come since the last ones were sent.
    answered: AtomicBool,
    /// Until when the upstream has said that it keeps the connection; `None`: it has not.
    kept: Mutex<Option<Instant>>,
}

impl Link {
    /// Returns the link of the connection that a request has been sent on, if it has come so far.
    pub(crate) fn of(connection: &CaptureConnection) -> Option<Arc<Self>> {
        let mut extensions = Extensions::new();
        connection.connection_metadata().as_ref()?.get_extras(&mut extensions);
        extensions.remove()
    }

    /// Returns whether a request asked at `asked` failed because its connection had been kept too long: the connection
    /// was there before, and the upstream said nothing on it.
    pub(crate) fn was_stale(&self, asked: Instant, error: &legacy::Error) -> bool {
        if self.opened >= asked {
            return false;
        }
        let h2 = std::iter::successors(error.source(), |error| (*error).source())
            .find_map(|error| error.downcast_ref::<h2::Error>());
        match h2 {
            // Many requests share the connection, so its bytes tell nothing. RFC 9113, section 8.7: a refused stream has
            // not been worked on; any other reset is an answer.
            Some(error) if error.is_reset() => error.reason() == Some(h2::Reason::REFUSED_STREAM),
            Some(error) => error.is_io() || error.is_go_away(),
            None => !self.answered.load(Relaxed),
        }
    }

    /// Makes the connection unfit for further requests at `until`, which a later call may put off.
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
            if let Some(connected) = connection.connection_metadata().as_ref() {
                connected.poison();
            }
        });
    }
}

/// A connection that keeps its [`Link`] up to date.
#[derive(Debug)]
pub(crate) struct Linked {
    stream: TcpStream,
    link: Arc<Link>,
}

impl Linked {
    pub(crate) fn new(io: TokioIo<TcpStream>) -> TokioIo<Self> {
        let link = Link { opened: Instant::now(), answered: AtomicBool::new(false), kept: Mutex::new(None) };
        TokioIo::new(Self { stream: io.into_inner(), link: Arc::new(link) })
    }
}

impl Connection for Linked {
    fn connected(&self) -> Connected {
        Connected::new().extra(Arc::clone(&self.link))
    }
}

impl AsyncRead for Linked {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.link.answered.store(true, Relaxed);
        }
        read
    }
}

impl AsyncWrite for Linked {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.link.answered.store(false, Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
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
        self.link.answered.store(false, Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
