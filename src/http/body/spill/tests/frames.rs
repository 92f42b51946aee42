//! Bodies that say where each of their bytes is, and how many are in memory.

use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::ETAG};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::sleep;

use crate::http::body::BodyError;

/// Frames that are there at once, then trailers; each byte says where it is.
pub(super) struct Frames {
    pub(super) frames: usize,
    pub(super) length: usize,
    pub(super) at: usize,
    pub(super) known: bool,
    pub(super) alive: Arc<Alive>,
}

impl Frames {
    pub(super) fn new(frames: usize, length: usize, known: bool) -> Self {
        Self { frames, length, at: 0, known, alive: Arc::default() }
    }

    pub(super) fn whole(&self) -> usize {
        self.frames * self.length
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let begin = self.at;
        if begin > self.whole() {
            return Poll::Ready(None);
        }
        if begin == self.whole() {
            self.at += 1;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers()))));
        }
        self.at += self.length;
        let now = self.alive.now.fetch_add(self.length, SeqCst) + self.length;
        self.alive.peak.fetch_max(now, SeqCst);
        let data = expected(begin, self.length).to_vec();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Owned(data, Arc::clone(&self.alive)))))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.known {
            true => SizeHint::with_exact(self.whole().saturating_sub(self.at) as u64),
            false => SizeHint::new(),
        }
    }
}

/// Bytes in memory, now and at most.
#[derive(Default)]
pub(super) struct Alive {
    pub(super) now: AtomicUsize,
    pub(super) peak: AtomicUsize,
    /// Frames panic when they are dropped.
    pub(super) panics: AtomicBool,
    /// The body panics when it is dropped.
    pub(super) body_panics: AtomicBool,
}

impl Drop for Frames {
    fn drop(&mut self) {
        if self.alive.body_panics.load(SeqCst) {
            resume_unwind(Box::new("the body panics as it is dropped"));
        }
    }
}

struct Owned(Vec<u8>, Arc<Alive>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len(), SeqCst);
        if self.1.panics.load(SeqCst) {
            resume_unwind(Box::new("a frame panics as it is dropped"));
        }
    }
}

/// What the bytes from this place on are.
fn expected(at: usize, length: usize) -> &'static [u8] {
    static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1_usize << 19).map(|at| (at % 251) as u8).collect());
    &PATTERN[at % 251..][..length]
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(ETAG, HeaderValue::from_static("1"))])
}

/// Reads to the end, with a pause after each frame; returns how many bytes came, or the error.
pub(super) async fn read(
    mut body: impl Body<Data = Bytes, Error = BodyError> + Unpin,
    pause: Duration,
) -> Result<usize, BodyError> {
    let (mut at, mut trailed) = (0, false);
    let whole = body.size_hint().exact();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                assert!(!trailed && data == expected(at, data.len()));
                at += data.len();
            }
            Err(frame) => {
                assert_eq!(frame.into_trailers().ok(), Some(trailers()));
                trailed = true;
            }
        }
        assert_eq!(body.size_hint().exact(), whole.map(|whole| whole - at as u64), "at {at}");
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    assert!(trailed);
    Ok(at)
}
