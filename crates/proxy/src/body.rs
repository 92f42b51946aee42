//! An upstream's body, which must not fall silent.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep},
};

/// A reader that waits notices within this time that the wait was too long. A later poll is another reader's.
const NOTICED: Duration = Duration::from_secs(1);

type Frames = Poll<Option<Result<Frame<Bytes>, Box<dyn Error + Send + Sync>>>>;

/// An upstream's body. It fails if the upstream sends nothing for `idle` while somebody waits for a frame.
///
/// Many may read one body, which cannot tell who polls it. So a reader may begin to wait while the time of an earlier
/// reader, which has left, still runs: it is cut when that time is over. A new time for each reader would let the
/// upstream be silent for ever. A reader that comes after the time is over gets a new one.
#[derive(Debug)]
pub(crate) struct Lively<B = Incoming> {
    body: B,
    idle: Duration,
    /// Made at the first wait.
    timer: Option<Pin<Box<Sleep>>>,
    waits: bool,
    /// Whether it comes over HTTP/2, where it says when it is at its end.
    h2: bool,
    /// Dropped with the body; `None`: nobody waits for its end.
    _ended: Option<oneshot::Sender<()>>,
}

impl<B> Lively<B> {
    pub(crate) fn new(body: B, version: Version, idle: Duration) -> Self {
        Self { body, idle, timer: None, waits: false, h2: version == Version::HTTP_2, _ended: None }
    }

    /// Returns the body, which tells its end here: what it gives is closed when the body is dropped.
    pub(crate) fn tells(self) -> (Self, oneshot::Receiver<()>) {
        let (sender, ended) = oneshot::channel();
        (Self { _ended: Some(sender), ..self }, ended)
    }
}

impl<B> Body for Lively<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Frames {
        let this = &mut *self;
        // The body first: a frame that lay ready while a slow client took its time is not late.
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = false;
            if frame.is_none() && has_stopped_early(&this.body, this.h2) {
                return Poll::Ready(Some(Err("the upstream broke off".into())));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(this.idle)));
        if !this.waits {
            timer.as_mut().reset(Instant::now() + this.idle);
            this.waits = true;
        }
        ready!(timer.as_mut().poll(cx));
        // Those who waited had left when the time was over (see [`NOTICED`]): this reader waits from now on.
        if timer.deadline().elapsed() >= NOTICED {
            timer.as_mut().reset(Instant::now() + this.idle);
            ready!(timer.as_mut().poll(cx));
        }
        Poll::Ready(Some(Err("the upstream fell silent".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns whether a body that gives no frame any more has broken off. Over HTTP/2, a reset that is no error may follow an
/// answer, and does not end one (RFC 9113, section 8.1); hyper says `None` for either.
pub(crate) fn has_stopped_early(body: &impl Body, h2: bool) -> bool {
    h2 && !body.is_end_stream()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{convert::Infallible, task::Waker};

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::advance;

    use super::*;

    /// A body that brings what is laid into it.
    pub(crate) struct Given(pub(crate) Option<Bytes>);

    impl Body for Given {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_wait_of_somebody_who_is_there_when_it_has_lasted() {
        let idle = Duration::from_secs(60);
        let mut body = Lively::new(Given(None), Version::HTTP_11, idle);
        let mut is_cut = || Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())).is_ready();
        assert!(!is_cut());
        // The reader that waited leaves, and another one comes to that point later.
        advance(idle + NOTICED).await;
        assert!(!is_cut());
        advance(idle - Duration::from_millis(1)).await;
        assert!(!is_cut());
        advance(Duration::from_millis(1)).await;
        assert!(is_cut());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_last_as_long_as_it_likes_while_its_frames_come_in_time() {
        let idle = Duration::from_secs(60);
        let mut body = Lively::new(Given(None), Version::HTTP_11, idle);
        let poll = |body: &mut Lively<_>| Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        // The second one comes after the time that the first one had.
        for gap in [idle - Duration::from_millis(1), Duration::from_millis(2), idle - Duration::from_millis(1)] {
            assert!(poll(&mut body).is_pending());
            advance(gap).await;
            assert!(poll(&mut body).is_pending());
            body.body.0 = Some(Bytes::from_static(b"row"));
            assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        }
    }

    #[tokio::test]
    async fn a_body_of_http_2_that_stops_before_its_end_has_failed() {
        for (version, fails) in [(Version::HTTP_2, true), (Version::HTTP_11, false)] {
            // It gives no frame any more, and does not say that it is at its end.
            let stopped = StreamBody::new(stream::empty::<Result<_, Infallible>>());
            let mut body = Lively::new(stopped, version, Duration::MAX);
            assert_eq!(body.frame().await.is_some_and(|frame| frame.is_err()), fails);
        }
    }
}
