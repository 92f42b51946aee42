//! A body before anything is read.

mod options;

use std::{
    error::Error,
    fmt,
    mem::replace,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    checked::Missing,
    error::BodyError,
    observe::BodyWatch,
    origin::{Hints, Origin},
    part::BodyPart,
    reader::Reader,
    settings::Settings,
    shared_body::SharedBody,
    spill::Log,
    state::State,
    stream::Stream,
};
use crate::{
    panic::discard,
    sync::{Mutex, lock},
};

/// A body of which each clone is a reader of its own, from the first frame on.
///
/// It can be read in two ways: as it is, since it is a [`Body`] itself, or through [`into_reader`](Self::into_reader),
/// which is cheaper if it was never cloned. A clone that is made after reading has begun goes on from where the cloned
/// one is.
///
/// # Guarantees
///
/// 1. Each reader gets the same frames, data by reference, then the same end: an error is never a clean end.
/// 2. A reader at the front gets a frame when the inner body makes it; one that is not polled never holds the inner
///    body up.
/// 3. A source that was never cloned is read as the inner body itself: nothing is buffered, and nothing is allocated
///    but one box if it is read as it is. The same holds once all other clones are gone, if none of them was read.
/// 4. At most a window is kept between the fastest and the slowest reader or unread clone (default 1 MiB, and at most
///    one frame more). When it is full, the fast readers wait: in sum over the whole body at most for the stall time
///    (default 5 s), whichever reader they wait for. Once that time is used up, the reader that is last is cut when
///    somebody would have to wait for it, unless it was waited for only in passing. Its body ends in an error that [is
///    lagged](crate::http::BodyError::is_lagged).
/// 5. A size that was announced is kept: an end before or after it is an error.
/// 6. The inner body is dropped with the last reader or clone.
///
/// # Cancel safety
///
/// Dropping a reader or a clone gives up that one, and nothing else.
///
/// # Panics
///
/// A panic of the inner body reaches the reader that polled it; the others end in an error.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use http_body_util::{BodyExt, Full};
/// use tower_singleflight::http::BodySource;
///
/// let one = BodySource::new(Full::from("rows"));
/// let other = one.clone();
/// assert_eq!(one.into_reader().collect().await.unwrap().to_bytes(), "rows");
/// assert_eq!(other.into_reader().collect().await.unwrap().to_bytes(), "rows");
/// # }
/// ```
pub struct BodySource<B> {
    /// `None` only while a clone is made.
    claim: Mutex<Option<Claim<B>>>,
    announced: Option<u64>,
    /// `None`: the defaults. Behind a pointer, since a source is moved with each answer.
    settings: Option<Arc<Settings>>,
}

enum Claim<B> {
    /// The only one so far.
    Lone(Origin<B>),
    Shared(Reader<B>),
}

impl<B> BodySource<B> {
    /// Returns the first claim to a body.
    pub fn new(body: B) -> Self {
        Self::from_origin(Origin::new(body))
    }

    pub(super) fn from_origin(body: Origin<B>) -> Self {
        Self { claim: Mutex::new(Some(Claim::Lone(body))), announced: None, settings: None }
    }

    fn claim(&mut self) -> &mut Claim<B> {
        match self.claim.get_mut().unwrap_or_else(PoisonError::into_inner) {
            Some(claim) => claim,
            None => unreachable!("a claim is taken out under its lock only"),
        }
    }

    /// Lets this claim be the first that gives up, instead of holding others up.
    #[cfg(feature = "fleet")]
    pub(super) fn yields(&mut self) {
        if let Claim::Shared(reader) = self.claim() {
            reader.yields();
        }
    }

    /// Returns the reader that was claimed.
    #[inline]
    pub fn into_reader(self) -> SharedBody<B> {
        match self.claim.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Claim::Lone(body)) => SharedBody::untouched(body),
            Some(Claim::Shared(reader)) => reader.into_lone().map_or_else(SharedBody::shared, SharedBody::untouched),
            None => unreachable!("a claim is taken out under its lock only"),
        }
    }
}

/// The body's own default. Layers that answer by themselves need one: tower-http's time-out, say.
impl<B: Default> Default for BodySource<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

/// Never pinned in place: a body that is read is boxed.
impl<B> Unpin for BodySource<B> {}

impl<B: Body> Clone for BodySource<B> {
    fn clone(&self) -> Self {
        let mut claim = lock(&self.claim);
        // Nothing else is asked of the body under this lock. It is asked before it is moved, so a panic loses nothing.
        let hints = match &*claim {
            Some(Claim::Lone(body)) => body.hints(),
            _ => Hints::default(),
        };
        let reader = match claim.take() {
            Some(Claim::Lone(body)) => {
                let Settings { window, stall, spill, observers } =
                    self.settings.as_deref().cloned().unwrap_or_default();
                let (missing, log) = (Missing::new(self.announced, &hints), Log::new(spill.store().cloned()));
                let state = State::new(body, missing, hints, log, window, stall);
                Reader::first(Arc::new(Stream::new(state, observers.and_then(BodyWatch::begin))))
            }
            Some(Claim::Shared(reader)) => reader,
            None => unreachable!("a claim is taken out under its lock only"),
        };
        let other = reader.clone();
        *claim = Some(Claim::Shared(reader));
        drop(claim);
        let claim = Mutex::new(Some(Claim::Shared(other)));
        Self { claim, announced: self.announced, settings: self.settings.clone() }
    }
}

impl<B> Body for BodySource<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.claim() {
            Claim::Lone(body) => {
                let polled = body.pin().poll_part(cx).map_ok(BodyPart::into_frame);
                match &polled {
                    Poll::Pending => {}
                    Poll::Ready(Some(Ok(frame))) => {
                        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                        self.announced = self.announced.map(|bytes| bytes.saturating_sub(length));
                    }
                    // The body is not polled again, not even by a clone that goes on from here.
                    Poll::Ready(end) => {
                        let error = end.as_ref().and_then(|end| end.as_ref().err()).cloned();
                        discard(replace(self.claim(), Claim::Shared(Reader::at_end(error))));
                    }
                }
                polled
            }
            Claim::Shared(reader) => reader.poll_frame(cx),
        }
    }

    /// Asks the body itself under the claim's own lock, as a clone does.
    fn is_end_stream(&self) -> bool {
        match &*lock(&self.claim) {
            Some(Claim::Lone(body)) => body.is_end_stream(),
            Some(Claim::Shared(reader)) => reader.is_end_stream(),
            None => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*lock(&self.claim) {
            Some(Claim::Lone(body)) => body.size_hint(),
            Some(Claim::Shared(reader)) => reader.size_hint(),
            None => SizeHint::new(),
        }
    }
}

impl<B> fmt::Debug for BodySource<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { window, stall, .. } = self.settings.as_deref().cloned().unwrap_or_default();
        f.debug_struct("BodySource").field("window", &window).field("stall", &stall).finish_non_exhaustive()
    }
}
