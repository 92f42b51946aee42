//! A body before anything is read.

use std::{
    fmt,
    sync::{Arc, PoisonError},
    time::Duration,
};

use http_body::Body;

use super::{
    checked::Missing,
    origin::{Hints, Origin},
    reader::Reader,
    shared_body::SharedBody,
    stream::Stream,
};
use crate::sync::{Mutex, lock};

/// A body that nobody has begun to read; each clone is a claim to a reader of its own, from the first frame on.
///
/// # Guarantees
///
/// 1. Each reader gets the same frames, data by reference, then the same end: an error is never a clean end.
/// 2. A reader at the front gets a frame when the inner body makes it; one that is not polled never holds the inner
///    body up.
/// 3. Without a clone, the reader is the inner body itself: nothing is buffered, nothing allocated. So it is once all
///    other claims are gone, if none of them was read.
/// 4. Between the fastest and the slowest reader or claim at most a window is kept (default 1 MiB, one frame over at
///    most). When it is full the fast ones wait; one that takes no frame for the stall time (default 5 s) meanwhile is
///    cut, and ends in an error that [is lagged](crate::BodyError::is_lagged).
/// 5. A size that was announced is kept: an end before or after it is an error.
/// 6. With its last reader and claim the inner body is dropped.
///
/// # Cancel safety
///
/// Dropping a reader or a claim gives it up, and nothing else.
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
/// use tower_singleflight::BodySource;
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
    window: usize,
    stall: Duration,
    announced: Option<u64>,
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
        let claim = Mutex::new(Some(Claim::Lone(body)));
        Self { claim, window: 1 << 20, stall: Duration::from_secs(5), announced: None }
    }

    /// Sets how long the body was announced to be, in bytes, by a `Content-Length` beside it; before the first clone.
    /// Readers of a shared body that is shorter or longer end in an error. A lone reader is the body itself, and is not
    /// held to it.
    ///
    /// Not for answers to HEAD, nor for 204 and 304, whose `Content-Length` is not of their content.
    #[must_use]
    pub fn announced(mut self, bytes: Option<u64>) -> Self {
        self.announced = bytes;
        self
    }

    /// Sets how much is kept between the fastest and the slowest reader, in bytes; before the first clone.
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.window = bytes;
        self
    }

    /// Sets how long a reader may hold the others up without taking a frame; before the first clone. It takes a tokio
    /// runtime with timers to measure it: without one, nobody is cut.
    #[must_use]
    pub fn stall(mut self, time: Duration) -> Self {
        self.stall = time;
        self
    }

    /// Returns the reader that was claimed.
    pub fn into_reader(self) -> SharedBody<B> {
        match self.claim.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Claim::Lone(body)) => SharedBody::untouched(body),
            Some(Claim::Shared(reader)) => reader.into_lone().map_or_else(SharedBody::shared, SharedBody::untouched),
            None => unreachable!("a claim is taken out under its lock only"),
        }
    }
}

impl<B: Body> Clone for BodySource<B> {
    fn clone(&self) -> Self {
        let mut claim = lock(&self.claim);
        // The one thing that is asked of the body under this lock; before it is moved, so that a panic loses nothing.
        let hints = match &*claim {
            Some(Claim::Lone(body)) => body.hints(),
            _ => Hints::default(),
        };
        let reader = match claim.take() {
            Some(Claim::Lone(body)) => {
                let missing = Missing::new(self.announced, &hints);
                Reader::first(Arc::new(Stream::new(body, missing, hints, self.window, self.stall)))
            }
            Some(Claim::Shared(reader)) => reader,
            None => unreachable!("a claim is taken out under its lock only"),
        };
        let other = reader.clone();
        *claim = Some(Claim::Shared(reader));
        drop(claim);
        let claim = Mutex::new(Some(Claim::Shared(other)));
        Self { claim, window: self.window, stall: self.stall, announced: self.announced }
    }
}

impl<B> fmt::Debug for BodySource<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySource").field("window", &self.window).field("stall", &self.stall).finish_non_exhaustive()
    }
}
